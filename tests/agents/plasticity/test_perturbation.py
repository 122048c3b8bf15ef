from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from everlearn.agents import PPO, SAC
from everlearn.agents.layers import Part
from everlearn.agents.plasticity.perturbation import Perturbation
from everlearn.wrappers.errors import SettingsError


@dataclass(eq=False, repr=False)
class Fixed(Perturbation):
    """Finds a ratio that is told."""

    name: ClassVar[str] = "a-perturbation"
    rate: ClassVar[float] = 2.0

    ratio_found: float = 0.25

    def measure(self, actor: Part) -> float:
        assert actor.name == "actor"
        return self.ratio_found


@pytest.mark.parametrize(
    ("ratio", "kept"), [(0.0, 0.9), (0.04, 0.9), (0.25, 0.5), (0.39, 0.22), (0.7, 0.2)]
)
def test_how_much_stays(ratio: float, kept: float, build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[Fixed(ratio_found=ratio)])
    weight = agent.parts[0].hidden[0].incoming.weight
    with torch.no_grad():
        weight.fill_(100.0)
    agent.methods[0]._act()
    # Fresh weights are at most 2 in size.
    assert weight.mean().item() == pytest.approx(100 * kept, abs=2)
    assert agent.methods[0].after_iteration() == {
        "plasticity/a_perturbation": 1,
        "plasticity/a_perturbation_ratio": ratio,
    }


def test_keeping_all_changes_nothing(build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[Fixed(most_kept=1.0, ratio_found=0.0)]).learn(64)
    before = nn.utils.parameters_to_vector(agent.policy.parameters()).detach()
    agent.methods[0]._act()
    assert torch.equal(before, nn.utils.parameters_to_vector(agent.policy.parameters()))


@pytest.mark.parametrize("law", ["network", "orthogonal"])
@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_all_of_sac_is_perturbed(law: Any, backend: str, build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[Fixed(law=law)], backend=backend).learn(128)
    before = [p.detach().clone() for p in agent.policy.parameters()]
    temperature, generators = agent.log_ent_coef.item(), torch.get_rng_state()
    agent.methods[0]._act()
    assert torch.equal(generators, torch.get_rng_state())
    assert agent.log_ent_coef.item() == temperature
    noises = []
    for old, new in zip(before, agent.policy.parameters(), strict=True):
        noises.append((new.detach() - 0.5 * old) / 0.5)
        if law == "orthogonal" and new.ndim == 1:
            assert noises[-1].abs().max() < 1e-6
        elif law == "orthogonal" and new.shape == (8, 8):
            torch.testing.assert_close(
                noises[-1] @ noises[-1].T, torch.eye(8), rtol=1e-4, atol=1e-5
            )
    pairs = zip(agent.critic.parameters(), agent.critic_target.parameters(), strict=True)
    assert not any(torch.equal(*pair) for pair in pairs)
    for part in agent.parts:
        for parameter in part.parameters:
            assert not part.optimizer.state[parameter]["exp_avg"].any()
    agent.learn(64, reset_num_timesteps=False)


def test_a_standard_deviation_is_left_alone(build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[Fixed()]).learn(64)
    before = agent.policy.log_std.detach().clone()
    agent.methods[0]._act()
    assert torch.equal(before, agent.policy.log_std)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("dormant_threshold", -1), ("least_kept", 0.95), ("least_kept", -0.1), ("most_kept", 1.1)],
)
def test_wrong_settings(setting: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"a-perturbation setting '{setting}' must be"):
        Fixed(**{setting: value})
