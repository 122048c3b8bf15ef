from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents import PPO, SAC
from everlearn.agents.adam import CORRECTIONS
from everlearn.agents.layers import Part
from everlearn.agents.plasticity.self_normalized_resets import SelfNormalizedResets
from everlearn.wrappers.errors import SettingsError

PUBLISHED = json.loads((Path(__file__).parents[2] / "data/snr_records.json").read_text())


def attach(part: Part, **settings: Any) -> SelfNormalizedResets:
    method = SelfNormalizedResets(**{"initializer": "lecun", **settings})
    method.attach([part], seed=5)
    return method


def record_of(method: SelfNormalizedResets) -> Any:
    return method._records["actor"]


@torch.no_grad()
def step(method: SelfNormalizedResets, part: Part, *fires: list[bool]) -> list[int]:
    """Let units fire in one of three examples, and return which were reset."""
    for layer, values in zip(part.hidden, fires, strict=True):
        layer.features = torch.zeros(3, layer.width)
        layer.features[1] = torch.tensor(values, dtype=torch.float32)
    method.after_step(part)
    return record_of(method).due.nonzero().flatten().tolist()


@pytest.fixture
def small(make_part: Callable[..., Part]) -> Callable[[int], Part]:
    def make(width: int) -> Part:
        torch.manual_seed(0)
        return make_part(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 2))

    return make


def test_a_unit_is_reset_when_its_silence_is_longer_than_it_used_to_be(
    small: Callable[[int], Part],
) -> None:
    part = small(3)
    method = attach(part, rejection_percentile=0.1)
    periods = (1, 3, 12)
    for n in range(1, 145):
        assert step(method, part, [n % period == 0 for period in periods]) == []
    assert record_of(method).n_silences.tolist() == [144, 48, 12]
    # All fall silent, and each is reset at the step at which it should have fired.
    resets = {n: due for n in range(1, 40) if (due := step(method, part, [False] * 3))}
    assert resets == {1: [0], 3: [1], 12: [2]}
    assert method.after_iteration() == {"plasticity/actor/replaced_units": 3}


@pytest.mark.parametrize(("n_silences", "reset_at"), [(8, 20), (9, 3)])
def test_a_short_record_rejects_nothing(
    n_silences: int, reset_at: int, small: Callable[[int], Part]
) -> None:
    part = small(1)
    method = attach(part, rejection_percentile=0.1, longest_silence=20)
    for n in range(1, 3 * n_silences + 1):
        assert step(method, part, [n % 3 == 0]) == []
    resets = [n for n in range(1, 22) if step(method, part, [False])]
    assert resets == [reset_at]


def test_units_are_safe_until_the_shortest_silence(small: Callable[[int], Part]) -> None:
    part = small(1)
    method = attach(part, rejection_percentile=0.1, shortest_silence=4)
    for _ in range(20):
        step(method, part, [True])
    assert [n for n in range(1, 8) if step(method, part, [False])] == [4]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_unit_that_does_not_change_is_reset_as_rarely_as_the_level_says(
    rate: float, small: Callable[[int], Part]
) -> None:
    part = small(50)
    method = attach(part, rejection_percentile=0.05, inherit_record=True)
    generator = torch.Generator().manual_seed(1)
    for _ in range(600):
        step(method, part, (torch.rand(50, generator=generator) < rate).tolist())
    record = record_of(method)
    assert 0 < record.replaced <= 0.05 * record.n_silences.sum()


def test_records_are_the_published_ones(small: Callable[[int], Part]) -> None:
    fires = [[unit == "1" for unit in units] for units in PUBLISHED["fires"]]
    part = small(len(fires))
    # The level is too small to reject anything: only the longest silence resets, as there.
    method = attach(part, rejection_percentile=1e-9, longest_silence=4, inherit_record=True)
    for n, now in enumerate(zip(*fires, strict=True), start=1):
        step(method, part, list(now))
        if n == 99:
            assert record_of(method).silence.tolist() == PUBLISHED["ages_at_99"]
    record = record_of(method)
    assert record.silence.tolist() == PUBLISHED["ages"]
    assert record.lengths.tolist() == [counts[:5] for counts in PUBLISHED["histogram"]]
    assert record.replaced == sum(PUBLISHED["n_reset"])


@pytest.mark.parametrize("inherit", [False, True])
def test_the_counts_agree_with_the_record(inherit: bool, small: Callable[[int], Part]) -> None:
    part = small(20)
    method = attach(part, rejection_percentile=0.1, longest_silence=6, inherit_record=inherit)
    record, generator = record_of(method), torch.Generator().manual_seed(2)
    rates = torch.linspace(0, 1, 20)
    for _ in range(200):
        step(method, part, (torch.rand(20, generator=generator) < rates).tolist())
        assert torch.equal(record.n_silences, record.lengths.sum(dim=1))
        as_long = torch.arange(7) >= record.silence.unsqueeze(1)
        assert torch.equal(record.n_longer, (record.lengths * as_long).sum(dim=1))
    assert record.replaced > 20


def test_a_new_unit_begins_with_no_record_or_inherits_it(small: Callable[[int], Part]) -> None:
    for inherit, wanted in ((False, [0, 0]), (True, [20, 1])):
        part = small(2)
        method = attach(part, rejection_percentile=0.1, inherit_record=inherit)
        for _ in range(20):
            step(method, part, [True, True])
        assert step(method, part, [False, True]) == [0]
        record = record_of(method)
        assert record.lengths[0, :2].tolist() == wanted
        assert record.lengths[1, :2].tolist() == [21, 0]
        assert record.silence.tolist() == [0, 0]


@pytest.mark.parametrize("reset", [True, False])
def test_only_silent_units_and_their_memory_change(reset: bool, part: Part) -> None:
    for parameter in part.parameters:
        parameter.grad = torch.ones_like(parameter)
    part.optimizer.step()
    before = [parameter.detach().clone() for parameter in part.parameters]
    method = attach(part, longest_silence=1, reset_optimizer=reset)
    due = step(method, part, [True, True, False, True, True, False], [True, False, True, True])
    assert due == [2, 5, 7]
    one, two = part.hidden

    def changed(parameter: Tensor) -> Tensor:
        place = next(i for i, other in enumerate(part.parameters) if other is parameter)
        return before[place] != parameter

    assert changed(one.incoming.weight).any(dim=1).nonzero().flatten().tolist() == [2, 5]
    assert not one.incoming.bias[[2, 5]].any()
    # The second layer's new unit has new weights, also from the first layer's new units.
    assert not two.incoming.weight[[0, 2, 3]][:, [2, 5]].any()
    assert two.incoming.weight[1].all()
    assert not part.output[0].weight[:, 1].any()
    assert changed(part.output[0].weight).sum() == 2
    assert not changed(part.output[0].bias).any()
    assert part.spread is not None
    assert not changed(part.spread).any()
    state = part.optimizer.state[one.incoming.weight]
    assert (CORRECTIONS[0] in state) == reset
    assert state["exp_avg"].ne(0).all(dim=1).tolist() == [True, True, not reset] * 2


def test_of_tanh_units_only_those_stuck_below_the_threshold_are_found(
    small: Callable[[int], Part],
) -> None:
    part = small(3)
    for threshold, wanted in ((0.0, [0]), (0.5, [0, 1]), (-1.5, [])):
        method = attach(part, threshold=threshold, longest_silence=2)
        for _ in range(2):
            part.hidden[0].features = torch.tensor([[-1.0, -0.2, 1.0], [-1.0, 0.3, 1.0]])
            with torch.no_grad():
                method.after_step(part)
        assert record_of(method).due.nonzero().flatten().tolist() == wanted


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_dead_units_come_back(kind: type, backend: str, build: Callable[..., Any]) -> None:
    own = {"net_arch": [8, 8], "activation_fn": nn.ReLU}
    method = SelfNormalizedResets(longest_silence=3)
    agent = build(kind, methods=[method], backend=backend, policy_kwargs=own)
    with torch.no_grad():
        for part in agent.parts:
            part.hidden[0].incoming.bias[[1, 4]] = -100.0
    agent.learn(2 * 64)
    for part in agent.parts:
        assert part.hidden[0].incoming.bias[[1, 4]].min() > -1
        assert agent.methods[0].after_iteration()[f"plasticity/{part.name}/replaced_units"] >= 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rejection_percentile": -0.1}, "must be 0 or more and less than 1, not -0.1"),
        ({"rejection_percentile": 1}, "must be 0 or more and less than 1, not 1.0"),
        ({"longest_silence": 0}, "'longest_silence' must be 1 or more, not 0"),
        ({"longest_silence": 5, "shortest_silence": 6}, "must be from 1 to longest_silence, not 6"),
        ({"initializer": "zeros"}, "'initializer' must be one of"),
        ({"threshold": "low"}, "'threshold' must be"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        SelfNormalizedResets(**settings)


def test_a_network_without_hidden_layers_is_refused(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="needs a hidden linear layer"):
        build(PPO, methods=[SelfNormalizedResets()], policy_kwargs={"net_arch": []})
