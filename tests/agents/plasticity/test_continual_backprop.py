from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents import PPO, ContinualBackprop
from everlearn.agents.adam import CORRECTIONS, Adam
from everlearn.agents.layers import HiddenLayer, Part, Units, hidden_layers
from everlearn.wrappers.errors import SettingsError

PUBLISHED = json.loads((Path(__file__).parents[2] / "data/published_plasticity.json").read_text())
FACTORS: dict[str, Callable[[int, int], float]] = {
    # We take sums over weights, the published code takes means.
    "contribution": lambda n_in, n_out: n_out,
    "zero_contribution": lambda n_in, n_out: n_out,
    "adaptable_contribution": lambda n_in, n_out: n_out / n_in,
    "weight": lambda n_in, n_out: n_out,
    "adaptation": lambda n_in, n_out: 1 / n_in,
    "feature_by_input": lambda n_in, n_out: 1 / n_in,
}


def make_part(
    widths: tuple[int, ...] = (3,),
    inputs: int = 2,
    outputs: tuple[int, ...] = (1,),
    activation: type[nn.Module] = nn.ReLU,
    norm: bool = False,
) -> tuple[Part, nn.Sequential]:
    torch.manual_seed(0)
    modules: list[nn.Module] = []
    for width in widths:
        modules += [
            nn.Linear(inputs, width),
            *([nn.LayerNorm(width)] if norm else []),
            activation(),
        ]
        inputs = width
    body = nn.Sequential(*modules)
    heads = tuple(nn.Linear(inputs, n_outputs) for n_outputs in outputs)
    parameters = tuple(nn.ModuleList([body, *heads]).parameters())
    return Part("actor", hidden_layers(body, heads), heads, parameters, Adam(parameters)), body


def attach(part: Part, published: bool = False, **settings: Any) -> ContinualBackprop:
    build = ContinualBackprop.as_published if published else ContinualBackprop
    method = build(**settings)
    method.attach([part], seed=5)
    return method


def units_of(method: ContinualBackprop, layer: int = 0) -> Any:
    return method._known["actor"][layer]


@torch.no_grad()
def step(method: ContinualBackprop, part: Part, *features: Tensor) -> None:
    for layer, values in zip(part.hidden, features, strict=True):
        layer.features = values
    method.after_step(part)


def set_ages(units: Any, ages: list[int]) -> None:
    units.births.copy_(units.count.n_steps - torch.tensor(ages))
    units.count.next_maturity = 0


def choose(method: ContinualBackprop, units: Any) -> list[int]:
    """Choose at the ages that were set: the step that is counted does not make them older."""
    units.count.n_steps -= 1
    n_replaced = method._count_due(units, 1)
    return sorted(method._choose(units, n_replaced).tolist()) if n_replaced else []


def make_optimizer_state(part: Part) -> None:
    for parameter in part.parameters:
        parameter.grad = torch.ones_like(parameter)
    part.optimizer.step()


def test_utility_by_hand() -> None:
    part, _ = make_part()
    (layer,) = part.hidden
    with torch.no_grad():
        layer.outgoing[0].weight.copy_(torch.tensor([[2.0, -1.0, 0.5]]))
    method = attach(part, decay=0.9)
    step(method, part, torch.tensor([[1.0, -2.0, 0.0], [3.0, 0.0, 0.0]]))
    step(method, part, torch.tensor([[0.0, 4.0, 1.0], [0.0, -4.0, 3.0]]))
    units = units_of(method)
    # First batch: mean magnitudes 2, 1, 0 times 2, 1, 0.5; second: 0, 4, 2 times the same.
    torch.testing.assert_close(
        units.utility, torch.tensor([0.9 * 0.4, 0.9 * 0.1 + 0.1 * 4, 0.1 * 1.0])
    )
    torch.testing.assert_close(units.mean_output, torch.tensor([0.9 * 0.2, -0.9 * 0.1, 0.1 * 2.0]))
    assert units.age.tolist() == [2, 2, 2]


def test_utility_sums_over_all_outgoing_weights_of_all_heads() -> None:
    part, _ = make_part(outputs=(2, 1))
    with torch.no_grad():
        part.output[0].weight.copy_(torch.tensor([[1.0, -1.0, 0.0], [2.0, 0.0, 0.0]]))
        part.output[1].weight.copy_(torch.tensor([[-4.0, 3.0, 5.0]]))
    method = attach(part, decay=0.0)
    step(method, part, torch.full((4, 3), -2.0))
    assert units_of(method).utility.tolist() == [14.0, 8.0, 10.0]


def test_each_unit_is_corrected_by_its_own_age() -> None:
    part, _ = make_part()
    method = attach(part, decay=0.9)
    units = units_of(method)
    for n_steps in range(7):
        if n_steps == 3:
            units.forget(slice(1, 2), 1)
        step(method, part, torch.ones(4, 3))
    wanted = 1 - 0.9 ** torch.tensor([7.0, 4.0, 7.0])
    torch.testing.assert_close(units.weight, wanted)
    torch.testing.assert_close(units.mean_output / units.weight, torch.ones(3))


def test_a_young_unit_is_not_taken_for_useless() -> None:
    part, _ = make_part()
    method = attach(part, replacement_rate=0.5, maturity=10, decay=0.99)
    units = units_of(method)
    set_ages(units, [11, 1000, 1000])
    # Uncorrected, the first unit has the smallest average; corrected, the second.
    units.utility.copy_(torch.tensor([0.5, 0.9, 2.0]))
    units.weight.copy_(torch.tensor([0.1, 1.0, 1.0]))
    assert choose(method, units) == [1]


def test_only_mature_units_are_replaced_smallest_first() -> None:
    part, _ = make_part(widths=(6,))
    method = attach(part, replacement_rate=0.5, maturity=10, decay=0.0)
    units = units_of(method)
    set_ages(units, [10, 11, 12, 13, 14, 3])
    units.utility.copy_(torch.tensor([0.0, 4.0, 1.0, 3.0, 2.0, 0.0]))
    units.weight.fill_(1.0)
    assert choose(method, units) == [2, 4]
    assert units.count.due == 0


def test_maturity_counts_gradient_steps() -> None:
    part, _ = make_part()
    method = attach(part, replacement_rate=1.0, maturity=4)
    for n_steps in range(1, 12):
        step(method, part, torch.rand(5, 3))
        # All units are replaced when their age is first above 4, and then begin again.
        assert units_of(method).replaced.item() == 3 * (n_steps // 5)


@pytest.mark.parametrize(("rate", "n_calls"), [(1e-2, 1000), (0.0317, 700), (0.37, 50)])
def test_fractional_counts_add_up(rate: float, n_calls: int) -> None:
    part, _ = make_part(widths=(9,))
    method = attach(part, replacement_rate=rate, maturity=7)
    units, n_eligible = units_of(method), 0
    for _ in range(n_calls):
        n_eligible += int((units.age + 1 > 7).sum())
        step(method, part, torch.rand(4, 9))
        assert abs(units.replaced.item() - rate * n_eligible) <= 1
        assert 0 <= units.count.due < 1


def test_published_counts_toss_below_one_and_cut_above() -> None:
    part, _ = make_part(widths=(10,))
    method = attach(part, published=True, replacement_rate=0.03, maturity=0)
    units, counts = units_of(method), []
    for _ in range(2000):
        set_ages(units, [5] * len(units.births))
        counts.append(len(choose(method, units)))
        assert units.count.due == 0
    assert set(counts) == {0, 1}
    # 600 expected, with a standard deviation of 20.
    assert 520 < sum(counts) < 680
    set_ages(units, [5] * len(units.births))
    method.replacement_rate = 0.179
    assert {len(choose(method, units)) for _ in range(50)} == {1}
    method.replacement_rate = 0.25
    assert {len(choose(method, units)) for _ in range(50)} == {2}


@pytest.mark.parametrize(
    ("initializer", "activation", "bound"),
    [
        ("lecun", nn.ReLU, math.sqrt(3 / 6)),
        ("default", nn.ReLU, math.sqrt(1 / 6)),
        ("kaiming", nn.ReLU, math.sqrt(2) * math.sqrt(3 / 6)),
        ("kaiming", nn.SiLU, math.sqrt(2) * math.sqrt(3 / 6)),
        ("kaiming", nn.Tanh, 5 / 3 * math.sqrt(3 / 6)),
        ("xavier", nn.Sigmoid, math.sqrt(6 / 206)),
        ("xavier", nn.LeakyReLU, math.sqrt(2 / 1.0001) * math.sqrt(6 / 206)),
    ],
)
def test_new_units(initializer: Any, activation: type[nn.Module], bound: float) -> None:
    part, _ = make_part(widths=(200,), inputs=6, outputs=(2,), activation=activation)
    (layer,) = part.hidden
    old = layer.incoming.weight.detach().clone()
    method = attach(part, replacement_rate=1.0, maturity=0, initializer=initializer)
    features, global_state = torch.rand(4, 200), torch.get_rng_state()
    step(method, part, features)
    assert torch.equal(global_state, torch.get_rng_state())
    weight = layer.incoming.weight
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.98 * bound
    assert abs(weight.mean()) < 0.1 * bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not torch.isclose(weight, old).any(dim=1).all()
    assert not layer.incoming.bias.any()
    assert not layer.outgoing[0].weight.any()
    units = units_of(method)
    assert not units.utility.any()
    assert not units.mean_output.any()
    assert not units.age.any()


def test_only_the_replaced_units_change() -> None:
    part, _ = make_part(widths=(4, 3), outputs=(2,))
    one, two = part.hidden
    before = [parameter.detach().clone() for parameter in part.parameters]
    method = attach(part, replacement_rate=0.25, maturity=0, decay=0.0, bias_transfer=False)
    features = torch.ones(5, 4)
    features[:, 2] = 1e-6
    step(method, part, features, torch.ones(5, 3))
    names = ["weight1", "bias1", "weight2", "bias2", "weight3", "bias3"]
    changed = {
        name: (old != new).nonzero().tolist()
        for name, old, new in zip(names, before, part.parameters, strict=True)
    }
    assert changed == {
        "weight1": [[2, 0], [2, 1]],
        "bias1": [[2]],
        "weight2": [[0, 2], [1, 2], [2, 2]],
        "bias2": [],
        "weight3": [],
        "bias3": [],
    }
    assert (one.width, two.width) == (4, 3)


@pytest.mark.parametrize("outputs", [(2,), (2, 3)])
@pytest.mark.parametrize("layer", [0, 1])
def test_bias_transfer_keeps_the_mean_input_of_what_follows(
    outputs: tuple[int, ...], layer: int
) -> None:
    part, body = make_part(widths=(16, 12), inputs=5, outputs=outputs)
    batch = torch.randn(64, 5)
    with torch.no_grad():
        features = [body[:2](batch), body(batch)]
        hidden = part.hidden[layer]
        before = [outgoing(features[layer]).mean(dim=0) for outgoing in hidden.outgoing]
        method = attach(part, replacement_rate=0.5, maturity=0, decay=0.0)
        units = units_of(method, layer)
        weights = tuple(outgoing.weight for outgoing in hidden.outgoing)
        units.observe(Units(features[layer], weights, hidden.incoming.weight), "contribution", 0.0)
        method._replace(part, hidden, units, torch.tensor([1, 7, 3]))
        after = [outgoing(body[: 2 * layer + 2](batch)) for outgoing in hidden.outgoing]
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new.mean(dim=0), old, rtol=0, atol=1e-6)


def test_bias_transfer_by_hand_uses_the_corrected_mean() -> None:
    part, _ = make_part()
    (layer,) = part.hidden
    with torch.no_grad():
        layer.outgoing[0].weight.copy_(torch.tensor([[1.0, 0.1, -3.0]]))
        layer.outgoing[0].bias.fill_(0.5)
    method = attach(part, replacement_rate=0.34, maturity=0, decay=0.99)
    # The second unit has the smallest utility; its mean output is 0.25 from the first step on.
    step(method, part, torch.tensor([[1.0, 0.5, 2.0], [1.0, 0.0, 2.0]]))
    torch.testing.assert_close(layer.outgoing[0].bias.data, torch.tensor([0.5 + 0.1 * 0.25]))
    assert layer.outgoing[0].weight.tolist() == [[1.0, 0.0, -3.0]]


def test_optimizer_reset_reaches_exactly_the_replaced_weights() -> None:
    part, _ = make_part(widths=(4,), outputs=(2, 1))
    (layer,) = part.hidden
    make_optimizer_state(part)
    method = attach(part, replacement_rate=0.25, maturity=0, decay=0.0)
    features = torch.ones(5, 4)
    features[:, 2] = 1e-6
    step(method, part, features)
    state = part.optimizer.state
    for key in (*CORRECTIONS, "exp_avg", "exp_avg_sq"):
        row = state[layer.incoming.weight][key].ne(0).any(dim=1)
        assert row.tolist() == [True, True, False, True]
        assert state[layer.incoming.bias][key].ne(0).tolist() == [True, True, False, True]
        for outgoing in layer.outgoing:
            column = state[outgoing.weight][key].ne(0).any(dim=0)
            assert column.tolist() == [True, True, False, True]
    for outgoing in layer.outgoing:
        assert CORRECTIONS[0] not in state[outgoing.bias]
        assert state[outgoing.bias]["exp_avg"].all()


def test_as_published_leaves_biases_and_optimizer_alone() -> None:
    part, _ = make_part(widths=(4,))
    (layer,) = part.hidden
    make_optimizer_state(part)
    bias = layer.outgoing[0].bias.detach().clone()
    method = attach(part, published=True, replacement_rate=0.5, maturity=0)
    assert method.settings() == {
        "replacement_rate": 0.5,
        "maturity": 0,
        "decay": 0.99,
        "utility": "contribution",
        "initializer": "lecun",
        "bias_transfer": False,
        "reset_optimizer": False,
        "accumulate": False,
    }
    step(method, part, torch.rand(5, 4))
    assert units_of(method).replaced.item() == 2
    assert torch.equal(layer.outgoing[0].bias, bias)
    for state in part.optimizer.state.values():
        assert CORRECTIONS[0] not in state
        assert state["exp_avg"].all()


def test_layer_norm_of_a_new_unit_is_new_too() -> None:
    part, body = make_part(widths=(4,), norm=True)
    norm = body[1]
    assert isinstance(norm, nn.LayerNorm)
    with torch.no_grad():
        norm.weight.fill_(3.0)
        norm.bias.fill_(2.0)
    method = attach(part, replacement_rate=0.25, maturity=0, decay=0.0)
    features = torch.ones(5, 4)
    features[:, 0] = 1e-6
    step(method, part, features)
    assert norm.weight.tolist() == [1, 3, 3, 3]
    assert norm.bias.tolist() == [0, 2, 2, 2]


def test_networks_without_biases() -> None:
    body = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU())
    head = nn.Linear(3, 1, bias=False)
    parameters = tuple(nn.ModuleList([body, head]).parameters())
    part = Part("actor", hidden_layers(body, [head]), (head,), parameters, Adam(parameters))
    method = attach(part, replacement_rate=1.0, maturity=0)
    step(method, part, torch.rand(5, 3))
    assert not head.weight.any()


def test_units_with_several_outputs_are_refused() -> None:
    layer = HiddenLayer(nn.Linear(2, 3), nn.ReLU(), (nn.Linear(6, 1),))
    part = Part("actor", (layer,), layer.outgoing, (), Adam([nn.Parameter(torch.zeros(1))]))
    with pytest.raises(SettingsError, match="one output a unit"):
        attach(part)


def test_missing_features_are_an_error() -> None:
    part, _ = make_part()
    with pytest.raises(RuntimeError, match="no training batch"):
        attach(part).after_step(part)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("replacement_rate", -0.1),
        ("replacement_rate", 1.1),
        ("replacement_rate", float("nan")),
        ("replacement_rate", "often"),
        ("maturity", -1),
        ("maturity", 1.5),
        ("decay", 1.0),
        ("initializer", "zeros"),
        ("bias_transfer", "perhaps"),
    ],
)
def test_wrong_settings(setting: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"continual-backprop setting '{setting}' must be"):
        ContinualBackprop(**{setting: value})


def test_in_ppo_units_are_replaced_and_counted(build: Callable[..., Any]) -> None:
    method = ContinualBackprop(replacement_rate=0.05, maturity=3)
    agent = build(PPO, methods=[method]).learn(4 * 64)
    # 16 gradient steps; on 13 of them all or nearly all of the 16 units of a part are mature.
    for name, count in agent.methods[0].after_iteration().items():
        assert name in ("plasticity/actor/replaced_units", "plasticity/critic/replaced_units")
        assert 4 <= count <= 11
    assert not hasattr(method, "units")


def test_a_network_without_hidden_layers_is_refused() -> None:
    with pytest.raises(SettingsError, match="needs a hidden linear layer"):
        PPO(
            "MlpPolicy",
            "CartPole-v1",
            methods=[ContinualBackprop()],
            policy_kwargs={"net_arch": []},
            device="cpu",
        )


@pytest.mark.parametrize("kind", FACTORS)
def test_utilities_and_victims_are_the_published_ones(kind: Any) -> None:
    stored = PUBLISHED["gnt"]
    part, _ = make_part(widths=(6, 5), inputs=3, outputs=(2,))
    with torch.no_grad():
        for parameter, values in zip(part.parameters, stored["weights"], strict=True):
            parameter.copy_(torch.tensor(values))
    own = {name: stored[name] for name in ("decay", "replacement_rate", "maturity")}
    method = attach(part, utility=kind, bias_transfer=False, **own)
    for features, wanted in zip(stored["features"], stored["kinds"][kind], strict=False):
        step(method, part, *(torch.tensor(values) for values in features))
        for index, layer in enumerate(part.hidden):
            units, victims = units_of(method, index), wanted["victims"][index]
            assert units.age.eq(0).nonzero().flatten().tolist() == victims
            factor = FACTORS[kind](layer.incoming.in_features, layer.outgoing[0].out_features)
            kept = [i for i in range(layer.width) if i not in victims]
            got = (units.utility / units.weight)[kept]
            torch.testing.assert_close(got, factor * torch.tensor(wanted["utility"][index])[kept])


def test_random_utility_lets_chance_decide() -> None:
    part, _ = make_part(widths=(40,))
    method = attach(part, utility="random", replacement_rate=0.5, maturity=0)
    units = units_of(method)
    set_ages(units, [5] * 40)
    chosen = [choose(method, units) for _ in range(20)]
    for one in chosen:
        assert len(set(one)) == 20
    # Each unit is chosen in half of the draws: 200 +- 10 in each half of the layer.
    assert 160 < sum(unit < 20 for one in chosen for unit in one) < 240
