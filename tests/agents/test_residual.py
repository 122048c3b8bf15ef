from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents import SAC
from everlearn.agents.layers import compute_features, hidden_layers, sequence_of
from everlearn.agents.networks import NotPure, make_chain
from everlearn.agents.registry import make_method, parse_method
from everlearn.agents.residual import Residual, make_residual
from everlearn.agents.sac.networks import write_ensemble
from everlearn.wrappers.errors import SettingsError


def perceptron(*widths: int) -> nn.Sequential:
    modules: list[nn.Module] = []
    for before, width in zip((3, *widths), widths, strict=False):
        modules += [nn.Linear(before, width), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear(widths[-1], 1))


def residual(*widths: int) -> nn.Sequential:
    network = perceptron(*widths)
    make_residual(network)
    return network


def norm(units: torch.Tensor) -> torch.Tensor:
    """Layer norm, written out."""
    centred = units - units.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()


def test_a_case_by_hand() -> None:
    network: Any = residual(2, 2)
    with torch.no_grad():
        for linear, weight in (
            (network[0], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
            (network[3].branch[0], [[0.0, 1.0], [1.0, 0.0]]),
            (network[3].branch[3], [[1.0, 1.0], [0.0, -1.0]]),
            (network[4], [[1.0, 10.0]]),
        ):
            linear.weight.copy_(torch.tensor(weight))
    # Stem: (3, 1) is normed to (1, -1), of which ReLU leaves (1, 0). Block: turned around, (0, 1)
    # is normed to (-1, 1), of which (0, 1) is left; that makes (1, -1), normed to itself and added.
    output = network(torch.tensor([[3.0, 1.0, 9.0]]))
    assert output.item() == pytest.approx((1 + 1) + 10 * (0 - 1), abs=1e-3)


def test_blocks_are_those_of_the_paper() -> None:
    network: Any = residual(16, 16, 16)
    inputs = torch.randn(5, 3)
    units = norm(network[0](inputs)).relu()
    for block in network[3:5]:
        units = units + norm(block.branch[3](norm(block.branch[0](units)).relu()))
    torch.testing.assert_close(network(inputs), network[5](units))
    maps = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert len(maps) == 1 + 2 * 2 + 1
    for linear in maps:
        assert not linear.bias.any()
        rows, columns = linear.weight.shape
        weight = linear.weight if rows <= columns else linear.weight.T
        torch.testing.assert_close(weight @ weight.T, 2 * torch.eye(len(weight)))
    assert math.isclose(network[5].weight.norm().item(), math.sqrt(2), rel_tol=1e-5)


def test_methods_see_all_layers() -> None:
    network: Any = residual(8, 8, 8)
    layers = hidden_layers(network[:-1], [network[-1]])
    assert [layer.skip for layer in layers] == [0, 0, 2, 0, 2]
    assert [type(layer.activation).__name__ for layer in layers] == [
        *("ReLU", "ReLU", "LayerNorm", "ReLU", "LayerNorm")
    ]
    assert layers[2].outgoing == (network[4].branch[0],)
    assert layers[4].outgoing == (network[5],)
    inputs = torch.randn(5, 3)
    features = compute_features(layers, inputs)
    torch.testing.assert_close(features[0], network[:3](inputs))
    torch.testing.assert_close(features[1], network[3].branch[:3](features[0]))
    torch.testing.assert_close(features[2], network[:4](inputs))
    torch.testing.assert_close(features[4], network[:5](inputs))
    torch.testing.assert_close(sequence_of(layers)(inputs), features[4])


def test_an_ensemble_is_the_networks() -> None:
    networks = [residual(8, 8, 8) for _ in "ab"]
    ensemble = write_ensemble(networks)
    flat = torch.cat([p.flatten() for network in networks for p in network.parameters()])
    inputs = torch.randn(5, 3)
    outputs, features = ensemble(flat, inputs)
    for index, network in enumerate(networks):
        torch.testing.assert_close(outputs[index], network(inputs))
        torch.testing.assert_close(
            ensemble.alone(iter(network.parameters()), inputs), outputs[index]
        )
        layers = hidden_layers(network[:-1], [network[-1]])  # type: ignore[list-item]
        for units, wanted in zip(features, compute_features(layers, inputs), strict=True):
            torch.testing.assert_close(units[index], wanted)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (nn.Sequential(Residual(nn.Sequential(nn.Linear(3, 3)))), "one before them"),
        (
            nn.Sequential(nn.Linear(3, 3), Residual(nn.Sequential(nn.ReLU(), nn.Linear(3, 3)))),
            "begin with a linear map",
        ),
        (
            nn.Sequential(nn.Linear(3, 3), Residual(nn.Sequential(nn.Linear(3, 3))), nn.ReLU()),
            "a linear map after a residual block, not ReLU",
        ),
        (
            nn.Sequential(
                nn.Linear(3, 3),
                Residual(nn.Sequential(nn.Linear(3, 3), Residual(nn.Sequential(nn.Linear(3, 3))))),
            ),
            "do not end with another",
        ),
    ],
)
def test_other_blocks_are_refused(body: nn.Sequential, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        hidden_layers(body, [nn.Linear(3, 1)])


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (perceptron(8, 4), "of one width, not 8, 4"),
        (residual(8, 8), "linear maps, each with an activation after it"),
        (nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 1)), "each with an activation"),
    ],
)
def test_other_networks_are_refused(network: nn.Sequential, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        make_residual(network)


def test_an_agent_of_residual_blocks(build: Callable[..., Any]) -> None:
    kwargs = {"net_arch": {"pi": [8, 8], "qf": [8, 8, 8]}}
    agent = build(SAC, layer_norm="both", residual_blocks=True, policy_kwargs=kwargs)
    count = [
        len([m for m in n.modules() if isinstance(m, Residual)]) for n in agent.policy.children()
    ]
    assert count == [1, 4, 4]
    only = build(SAC, layer_norm="critic", residual_blocks=True)
    assert not any(isinstance(module, Residual) for module in only.actor.modules())


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("continual-backprop", {}, "continual-backprop replaces single units, but a residual"),
        ("redo", {}, "redo replaces single units"),
        ("self-normalized-resets", {}, "self-normalized-resets replaces single units"),
        ("crelu", {}, "methods that change how networks are built"),
        ("weight-norm", {}, "methods that change how networks are built"),
        ("plasticity-injection", {"last_layers": 2}, "'last_layers' must be 0 or 1"),
    ],
)
def test_methods_that_cannot_have_blocks_say_so(
    name: str, settings: dict[str, Any], sentence: str, build: Callable[..., Any]
) -> None:
    methods = [make_method(name, **settings)]
    with pytest.raises(SettingsError, match=sentence):
        build(SAC, layer_norm="both", residual_blocks=True, methods=methods)


def test_blocks_need_norms(build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="residual_blocks needs layer_norm 'critic' or 'both'"):
        build(SAC, residual_blocks=True)


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize(
    "method",
    [
        "adaptive-replay-ratio",
        "resets:every_steps=none,every_updates=20",
        "plasticity-injection:at_change=false,every_updates=20,last_layers=0",
        "drm-perturbation:every_steps=40",
        "online-ewc",
    ],
)
def test_methods_that_look_at_layers_see_the_blocks(
    method: str, backend: str, build: Callable[..., Any]
) -> None:
    methods = [parse_method(method)]
    agent = build(SAC, layer_norm="both", residual_blocks=True, methods=methods, backend=backend)
    agent.learn(80)
    for parameter in agent.policy.parameters():
        assert torch.isfinite(parameter).all()


def test_a_chain_has_no_blocks() -> None:
    network = residual(8, 8)
    with pytest.raises(NotPure, match="residual blocks"):
        make_chain([network], list(network.parameters()))
