from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from everlearn.agents import PPO, SAC
from everlearn.agents.adam import Adam
from everlearn.agents.diagnostics import Diagnostics, Subject, diagnose
from everlearn.agents.diagnostics.observation import copy_parameters
from everlearn.agents.layers import Part, hidden_layers
from everlearn.agents.ppo import diagnosis as ppo_diagnosis
from everlearn.agents.sac import diagnosis as sac_diagnosis
from everlearn.agents.sac.options import SACOptions
from everlearn.wrappers.errors import SettingsError

CHEAP = Diagnostics(layers_every=0, probe_every=0)
ALWAYS = (
    "dormant_fraction",
    "drm_dormant_fraction",
    "weight_norm",
    "weight_magnitude",
    "weight_change",
)
SOMETIMES = (
    "gradient_norm",
    "gradient_magnitude",
    "gradient_zero_fraction",
    "gradient_dormant_fraction",
    "trainability",
)


def test_diagnose_by_hand_leaves_modes_and_features() -> None:
    body = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Dropout(0.9), nn.Linear(2, 2), nn.ReLU())
    output, bare = nn.Linear(2, 1), nn.Linear(1, 1)
    with torch.no_grad():
        for parameter in (*body.parameters(), *output.parameters(), *bare.parameters()):
            parameter.fill_(float(parameter.ndim - 1))
        first, _, second, _ = body.parameters()
        first[1] = -1.0
        second[1] = 0.0
    whole = nn.ModuleList([body, output, bare])
    body[2].eval()
    modes = [module.training for module in whole.modules()]
    parameters = tuple(body.parameters()) + tuple(output.parameters())
    optimizer = Adam(whole.parameters())
    parts = [
        Part("actor", hidden_layers(body, [output]), (output,), parameters, optimizer),
        Part("critic", (), (bare,), tuple(bare.parameters()), optimizer),
    ]
    batch = torch.tensor([[1.0], [2.0]])
    before = torch.get_rng_state()
    subject = Subject(parts, whole, lambda: (output(body(batch)), bare(batch)))
    measured = diagnose(subject, CHEAP)
    # The first layer's units give x and 0, the second's x and 0 as well; the norm is that of
    # (1, -1), ((1, 1), (0, 0)) and (1, 1).
    assert measured == {
        "plasticity/actor/dormant_fraction": 0.5,
        # The units' pre-activations are x and -x, then x and 0, and the output is x.
        "plasticity/actor/drm_dormant_fraction": 0.2,
        "plasticity/actor/active_fraction": 0.5,
        "plasticity/actor/dead_fraction": 0.5,
        "plasticity/actor/weight_norm": pytest.approx(math.sqrt(6)),
        "plasticity/actor/weight_magnitude": 0.75,
        "plasticity/critic/drm_dormant_fraction": 0.0,
        "plasticity/critic/weight_norm": 1.0,
        "plasticity/critic/weight_magnitude": 1.0,
    }
    assert modes == [module.training for module in whole.modules()]
    assert all(layer.features is None for layer in parts[0].hidden)
    assert not output._forward_pre_hooks
    assert torch.equal(before, torch.get_rng_state())


def test_modes_come_back_when_the_forward_pass_fails() -> None:
    whole = nn.Sequential(nn.Linear(1, 1))

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        diagnose(Subject([], whole, fail))
    assert whole.training
    assert whole[0].training


def test_how_often() -> None:
    settings = Diagnostics(layers_every=2, probe_every=3)
    assert [settings.due(i) for i in range(1, 5)] == [
        (True, True),
        (False, False),
        (True, False),
        (False, True),
    ]
    assert Diagnostics(0, 0).due(1) == (False, False)
    for name in ("layers_every", "probe_every", "probe_steps", "probe_learning_rate"):
        with pytest.raises(SettingsError, match=f"'{name}' must be 0 or more, not -1"):
            Diagnostics(**{name: -1})


def test_layers_gradients_and_changes_by_hand() -> None:
    first, output = nn.Linear(1, 2), nn.Linear(2, 1)
    body = nn.Sequential(first, nn.ReLU())
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        output.weight.fill_(1.0)
        for parameter in (first.bias, output.bias):
            parameter.zero_()
    parameters = (*body.parameters(), *output.parameters())
    part = Part(
        "critic", hidden_layers(body, [output]), (output,), parameters, Adam(parameters, lr=0.5)
    )
    before = copy_parameters([part])
    own = output.weight.data
    with torch.no_grad():
        output.weight += 1.0
    batch = torch.tensor([[1.0], [3.0]])
    subject = Subject(
        [part],
        nn.ModuleList([body, output]),
        lambda: output(body(batch)),
        lambda: [([part], output(body(batch)).mean())],
        before,
    )
    measured = diagnose(subject, Diagnostics(probe_every=0))
    wanted = {
        # The output was x and is 2 x; of two weights each moved by 1.
        "value_churn": 5.0,
        "weight_change": 2.0,
        "hidden_0/weight_change": 0.0,
        "output/weight_change": 2.0,
        "hidden_0/dormant_fraction": 0.5,
        "hidden_0/dead_fraction": 0.5,
        "hidden_0/effective_rank": pytest.approx(1.0),
        "hidden_0/stable_rank": pytest.approx(1.0),
        "hidden_0/srank": 1.0,
        "hidden_0/approximate_rank": 1.0,
        "hidden_0/numerical_rank": 1.0,
        "hidden_0/effective_learning_rate": pytest.approx(0.5 / math.sqrt(2)),
        # The mean of 2 x is 4 in the first unit's weight, and the second is dead; the output's
        # weights get the units' means, 2 and 0.
        "hidden_0/gradient_norm": pytest.approx(4.0),
        "hidden_0/gradient_dormant_fraction": 0.5,
        "output/gradient_norm": pytest.approx(2.0),
        "gradient_norm": pytest.approx(math.sqrt(20)),
        "gradient_magnitude": pytest.approx(6 / 4),
        "gradient_zero_fraction": 0.5,
        "gradient_dormant_fraction": pytest.approx(1 / 3),
    }
    for name, value in wanted.items():
        assert measured[f"plasticity/critic/{name}"] == value, name
    assert output.weight.data.data_ptr() == own.data_ptr()
    assert torch.equal(output.weight, torch.full((1, 2), 2.0))
    assert all(parameter.grad is None for parameter in parameters)


def test_a_network_that_got_other_parameters_is_not_compared() -> None:
    linear = nn.Linear(1, 1)
    part = Part("critic", (), (linear,), tuple(linear.parameters()), Adam(linear.parameters()))
    subject = Subject([part], linear, lambda: linear(torch.ones(2, 1)), None, [torch.ones(1, 1)])
    assert "plasticity/critic/weight_change" not in diagnose(subject)


def subject_of(agent: Any) -> Subject:
    before = copy_parameters(agent.parts)
    if isinstance(agent, SAC):
        return sac_diagnosis.make_subject(agent, agent.parts, before, SACOptions(**agent.options))
    return ppo_diagnosis.make_subject(agent, agent.parts, before)


def test_ppo_is_diagnosed_on_at_most_512_observations(build: Callable[..., Any]) -> None:
    agent = build(PPO, n_steps=1200, batch_size=1200, n_epochs=1).learn(1200)
    seen: list[int] = []
    agent.policy.value_net.register_forward_hook(
        lambda module, inputs, output: seen.append(len(output))
    )
    measured = diagnose(subject_of(agent), CHEAP)
    # Once: without layers there is no churn to ask for.
    assert seen == [512]
    assert {tag.split("/")[1] for tag in measured} == {"actor", "critic"}


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize(
    ("kind", "env"), [(PPO, "Pendulum-v1"), (PPO, "CartPole-v1"), (SAC, "Pendulum-v1")]
)
def test_everything_is_measured_and_nothing_touched(
    kind: type, env: str, backend: str, build: Callable[..., Any]
) -> None:
    agent = build(kind, env, backend=backend).learn(128)
    before = {key: value.clone() for key, value in agent.policy.state_dict().items()}
    gradients = [None if p.grad is None else p.grad.clone() for p in agent.policy.parameters()]
    state = torch.get_rng_state()
    numpy_state: Any = np.random.get_state()
    one, other = (diagnose(subject_of(agent)) for _ in range(2))
    assert one == other
    assert all(math.isfinite(value) for value in one.values())
    for part in agent.parts:
        churn = "policy_churn" if part.name == "actor" else "value_churn"
        for name in (*ALWAYS, *SOMETIMES, churn, "hidden_1/srank", "hidden_0/gradient_norm"):
            assert f"plasticity/{part.name}/{name}" in one
        assert one[f"plasticity/{part.name}/{churn}"] == 0.0
        assert one[f"plasticity/{part.name}/gradient_norm"] > 0.0
    assert all(torch.equal(value, before[key]) for key, value in agent.policy.state_dict().items())
    for parameter, gradient in zip(agent.policy.parameters(), gradients, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        assert gradient is None or torch.equal(parameter.grad, gradient)
    assert torch.equal(state, torch.get_rng_state())
    numpy_state_after: Any = np.random.get_state()
    assert (numpy_state[1] == numpy_state_after[1]).all()


@pytest.mark.parametrize("env", ["Pendulum-v1", "CartPole-v1"])
def test_the_gradient_of_ppo_is_that_of_its_update(env: str, build: Callable[..., Any]) -> None:
    agent = build(PPO, env, backend="eager", ent_coef=0.01, n_steps=64, batch_size=64).learn(128)
    measured = diagnose(subject_of(agent))
    learner = agent._learner
    update = learner._prepare()
    rollout = update.columns.pack(agent.rollout_buffer, learner.flat.values.dtype)
    gradient, *_ = update.gradient(learner.flat.values, rollout, learner._scales())
    views = dict(zip(learner.flat.parameters, learner.flat.split(gradient), strict=True))
    for part in agent.parts:
        matrices = [views[p] for p in part.parameters if p.ndim > 1]
        norm = math.sqrt(sum(matrix.square().sum().item() for matrix in matrices))
        assert measured[f"plasticity/{part.name}/gradient_norm"] == pytest.approx(norm, rel=1e-4)


def test_methods_that_compute_weights_are_looked_at_as_far_as_they_go(
    build: Callable[..., Any],
) -> None:
    agent = build(PPO, backend="reference").learn(64)
    nn.utils.parametrizations.weight_norm(agent.policy.mlp_extractor.policy_net[0])
    agent.parts = agent._build_parts()
    measured = diagnose(subject_of(agent))
    assert measured["plasticity/actor/hidden_0/weight_norm"] > 0
    assert "plasticity/actor/hidden_0/gradient_norm" not in measured
