from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents import PPO, SAC
from everlearn.agents.adam import CORRECTIONS, Adam
from everlearn.agents.layers import Part, hidden_layers
from everlearn.agents.plasticity.redo import ReDo, find_dormant
from everlearn.wrappers.errors import SettingsError

PUBLISHED = json.loads((Path(__file__).parents[2] / "data/published_plasticity.json").read_text())


def make_part(kill: tuple[int, ...] = (1, 4)) -> tuple[Part, nn.Sequential]:
    """Make a network whose first layer has dead units."""
    torch.manual_seed(0)
    first, second, head = nn.Linear(3, 6), nn.Linear(6, 5), nn.Linear(5, 2)
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), head)
    with torch.no_grad():
        first.bias.fill_(1.0)
        second.bias.fill_(1.0)
        first.bias[list(kill)] = -100.0
    parameters = tuple(network.parameters())
    part = Part("actor", hidden_layers(network[:-1], [head]), (head,), parameters, Adam(parameters))
    part.batch = torch.randn(32, 3)
    return part, network


def attach(part: Part, **settings: Any) -> ReDo:
    method = ReDo(**{"initializer": "lecun", "dormant_threshold": 0.0, **settings})
    method.attach([part], seed=5)
    return method


@pytest.mark.parametrize("threshold", ["0.0", "0.025", "0.1", "0.5"])
def test_masks_are_the_published_ones(threshold: str) -> None:
    stored = PUBLISHED["redo"]
    for activations, wanted in zip(stored["activations"], stored["masks"][threshold], strict=True):
        mask = find_dormant(torch.tensor(activations), float(threshold))
        assert mask.int().tolist() == wanted


def test_a_silent_layer_is_wholly_dormant() -> None:
    assert find_dormant(torch.zeros(4, 3), 0.0).all()


def test_recycling_dead_units_changes_no_output() -> None:
    part, network = make_part()
    assert isinstance(part.batch, torch.Tensor)
    before = [p.detach().clone() for p in part.parameters]
    with torch.no_grad():
        old = network(part.batch)
        attach(part).act()
        assert torch.equal(network(part.batch), old)
    changed = [(old != new).nonzero() for old, new in zip(before, part.parameters, strict=True)]
    assert changed[0][:, 0].unique().tolist() == [1, 4]
    assert changed[1].flatten().tolist() == [1, 4]
    assert changed[2][:, 1].unique().tolist() == [1, 4]
    assert not any(len(rows) for rows in changed[3:])
    assert not part.hidden[0].incoming.bias[[1, 4]].any()
    assert part.hidden[0].incoming.weight[[1, 4]].abs().max() <= 1.0
    assert not part.hidden[0].outgoing[0].weight[:, [1, 4]].any()


@pytest.mark.parametrize("reset", [True, False])
def test_the_optimizer_forgets_recycled_weights(reset: bool) -> None:
    part, _ = make_part()
    for parameter in part.parameters:
        parameter.grad = torch.ones_like(parameter)
    part.optimizer.step()
    with torch.no_grad():
        part.hidden[0].incoming.bias[[1, 4]] = -100.0
        attach(part, reset_optimizer=reset).act()
    incoming, outgoing = (part.optimizer.state[part.parameters[i]] for i in (0, 2))
    wanted = [True, not reset, True, True, not reset, True]
    assert incoming["exp_avg"].ne(0).all(dim=1).tolist() == wanted
    assert outgoing["exp_avg_sq"].ne(0).all(dim=0).tolist() == wanted
    assert (CORRECTIONS[0] in incoming) == reset


def test_units_are_counted() -> None:
    part, _ = make_part()
    method = attach(part, every_updates=2)
    for _ in range(3):
        with torch.no_grad():
            part.hidden[0].incoming.bias[[1, 4]] = -100.0
            method.after_step(part)
    assert method.after_iteration() == {"plasticity/redo": 1, "plasticity/actor/replaced_units": 2}


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_new_units_follow_the_networks_own_law(
    kind: type, backend: str, build: Callable[..., Any]
) -> None:
    method = ReDo(every_updates=None, dormant_threshold=0.0)
    own = {"policy_kwargs": {"net_arch": [8, 8], "activation_fn": nn.ReLU}}
    agent = build(kind, methods=[method], backend=backend, **own).learn(64)
    part, redo = agent.parts[1], agent.methods[0]
    (one, two) = part.hidden
    generators = torch.get_rng_state()
    with torch.no_grad():
        for layer, bias in ((one, 100.0), (two, 1e4)):
            layer.incoming.bias.fill_(bias)
        one.incoming.bias[3] = -1e6
        before = part.parameters[2].clone()
        redo.act()
    assert torch.equal(torch.get_rng_state(), generators)
    assert one.incoming.bias[3] == 0
    assert not two.incoming.weight[:, 3].any()
    kept = [0, 1, 2, 4, 5, 6, 7]
    assert torch.equal(part.parameters[2][:, kept], before[:, kept])
    row = one.incoming.weight[3]
    if kind is PPO:
        # Rows of an orthogonal matrix of gain sqrt(2), which has more rows than columns.
        assert 0.1 < row.norm() < 1.5
    else:
        assert row.abs().max() <= 1 / one.incoming.in_features**0.5


def test_wrong_settings(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="redo setting 'initializer' must be one of"):
        ReDo(initializer="zeros")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="redo needs a hidden linear layer"):
        build(PPO, methods=[ReDo()], policy_kwargs={"net_arch": []})
