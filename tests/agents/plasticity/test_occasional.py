from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from everlearn.agents import PPO, SAC
from everlearn.agents.layers import Part
from everlearn.agents.plasticity.occasional import Occasional
from everlearn.wrappers import info as info_names
from everlearn.wrappers.errors import SettingsError


@dataclass(eq=False, repr=False)
class Witness(Occasional):
    name: ClassVar[str] = "a-witness"

    def attach(self, parts: Any, seed: int) -> None:
        super().attach(parts, seed)
        self.seen: list[tuple[int, int]] = []

    def act(self) -> None:
        assert not torch.is_grad_enabled()
        self.seen.append((self.count.updates, self.env_steps))


@dataclass(eq=False, repr=False)
class Patient(Witness):
    name: ClassVar[str] = "a-patient-witness"
    waits_for_step: ClassVar[bool] = True

    def act(self) -> None:
        super().act()
        for part in self.parts:
            assert len(part.recall()) == 16


class Changing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pendulum that tells of changes at its 20th and its 70th step."""

    clock = 0

    def step(self, action: Any) -> Any:
        *rest, info = super().step(action)
        self.clock += 1
        return *rest, info | ({info_names.BOUNDARY: True} if self.clock in (20, 70) else {})


def worlds() -> Any:
    return DummyVecEnv([lambda: Changing(gymnasium.make("Pendulum-v1"))])


@pytest.fixture(params=["reference", "eager"])
def seen(request: pytest.FixtureRequest, build: Callable[..., Any]) -> Callable[..., Any]:
    """Return the updates, and the steps of past iterations, at which a method has acted.

    PPO has rollouts of 64 steps with 8 updates each; SAC one update each 4 steps after 32.
    """

    def learn(kind: type, method: Any, steps: int = 256, **own: Any) -> list[tuple[int, int]]:
        own = {"batch_size": 16, **own}
        agent = build(kind, worlds(), methods=[method], backend=request.param, **own)
        agent.learn(steps)
        acted = agent.methods[0]
        (times,) = acted.after_iteration().values()
        assert times == len(acted.seen)
        return acted.seen

    return learn


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("every", [1, 5, 1000])
def test_by_updates(kind: type, every: int, seen: Callable[..., Any]) -> None:
    n_updates = 32 if kind is PPO else 56
    acted = [updates for updates, _ in seen(kind, Witness(every_updates=every))]
    assert acted == list(range(every, n_updates + 1, every))


def test_by_updates_where_the_actor_waits(build: Callable[..., Any]) -> None:
    own = {"actor_delay": 3, "backend": "eager", "methods": [Witness(every_updates=5)]}
    agent = build(SAC, **own).learn(32 + 4 * 17)
    # The actor moves in updates 1, 4, 7 and so on: 5, 10 and 15 are followed by 7, 10 and 16.
    assert [updates for updates, _ in agent.methods[0].seen] == [7, 10, 16]


def test_by_steps_of_ppo(seen: Callable[..., Any]) -> None:
    # Iterations end at 64, 128, 192 and 256 steps.
    assert seen(PPO, Witness(every_steps=100)) == [(16, 128), (32, 256)]
    assert seen(PPO, Witness(at_steps=(100, 128, 200))) == [(16, 128), (32, 256)]
    both = Witness(every_steps=256, at_steps=(1, 10_000))
    assert seen(PPO, both) == [(8, 64), (32, 256)]
    assert seen(PPO, Witness(every_steps=10)) == [(8 * i, 64 * i) for i in range(1, 5)]


def test_by_steps_of_sac(seen: Callable[..., Any]) -> None:
    acted = seen(SAC, Witness(every_steps=100), iteration_steps=20)
    assert [steps for _, steps in acted] == [100, 200]


def test_steps_that_are_counted_anew(build: Callable[..., Any]) -> None:
    agent = build(PPO, methods=[Witness(every_steps=128)])
    for _ in range(2):
        agent.learn(192)
    assert [steps for _, steps in agent.methods[0].seen] == [128, 128]


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_at_a_told_change(kind: type, seen: Callable[..., Any]) -> None:
    # At once: after the 20th step no update has been, after the 70th 8 of PPO, 9 of SAC.
    past = [updates for updates, _ in seen(kind, Witness(at_change=True), steps=128)]
    assert past == ([0, 8] if kind is PPO else [0, 9])
    assert seen(kind, Witness(), steps=128) == []


@pytest.mark.parametrize("kind", [PPO, SAC])
def test_what_needs_a_batch_waits_for_the_next_step(kind: type, seen: Callable[..., Any]) -> None:
    past = [updates for updates, _ in seen(kind, Patient(at_change=True), steps=128)]
    assert past == ([1, 9] if kind is PPO else [1, 10])


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("diagnostic", ["dormant_fraction", "effective_rank"])
def test_when_a_diagnostic_crosses_the_threshold(
    kind: type, diagnostic: Any, build: Callable[..., Any]
) -> None:
    method = Witness(diagnostic=diagnostic, threshold=0.9 if diagnostic[0] == "d" else 0.2)
    agent = build(kind, methods=[method]).learn(64)
    acted, part = agent.methods[0], agent.parts[1]
    assert acted.seen == []
    weight = part.hidden[-1].incoming.weight
    alive = weight.detach().clone()
    times = []
    for new in (0 * alive, 0 * alive, alive, 0 * alive):
        with torch.no_grad():
            for layer in part.hidden:
                layer.incoming.bias.zero_()
            weight.copy_(new)
            for other in part.hidden[:-1]:
                other.incoming.weight.mul_(float(new.any()) or 0.0)
                if new.any():
                    torch.nn.init.eye_(other.incoming.weight)
        acted.count.actor_steps += 1
        acted.after_iteration()
        acted.after_iteration()
        times.append(len(acted.seen))
    # Only where the value becomes bad, and only when there were updates.
    assert times == [1, 1, 1, 2]


def test_a_network_alone_is_counted_too() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    part = Part("network", (), (), (weight,), torch.optim.SGD([weight]))
    method = Witness(every_updates=2)
    method.attach([part], 0)
    for _ in range(5):
        method.after_step(part)
    assert [updates for updates, _ in method.seen] == [2, 4]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("every_updates", 0),
        ("every_steps", -3),
        ("at_steps", (5, 0)),
        ("threshold", 1.1),
        ("diagnostic", "smell"),
    ],
)
def test_wrong_settings(setting: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"a-witness setting '{setting}' must be"):
        Witness(**{setting: value})


def test_without_an_occasion_the_user_is_told(
    build: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    build(PPO, methods=[Witness(every_steps=100)])
    assert "never acts" not in caplog.text
    build(PPO, methods=[Witness()])
    assert "a-witness never acts: give it an occasion by every_updates" in caplog.text
