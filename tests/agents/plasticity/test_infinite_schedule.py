from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from everlearn.agents import PPO, SAC
from everlearn.agents.plasticity.infinite_schedule import InfiniteSchedule


def make(**settings: Any) -> InfiniteSchedule:
    own = {"warmup_steps": 100, "cooldown_steps": 200, "constant": 0.4, "anneal_steps": 50}
    schedule = InfiniteSchedule(**(own | settings))
    schedule.attach([], seed=0)
    return schedule


def test_phases() -> None:
    schedule = make()
    steps = [0, 25, 100, 150, 200, 300, 10**9]
    cosine = 0.4 + 0.6 * 0.8535533905932737
    wanted = [0, 0.25, 1.0, cosine, 0.7, 0.4, 0.4]
    assert [schedule.learning_rate(2.0, step) / 2 for step in steps] == pytest.approx(wanted)


def test_annealing_and_warming_up_again() -> None:
    schedule = make(minimum=0.1)
    assert schedule.learning_rate(1.0, 1000) == 0.4
    schedule.anneal()
    assert [schedule.learning_rate(1.0, 1000 + step) for step in (0, 25, 50, 999)] == pytest.approx(
        [0.4, 0.2, 0.1, 0.1]
    )
    schedule.rewarm()
    steps = [1999, 1999 + 50, 1999 + 100, 1999 + 300]
    rates = [schedule.learning_rate(1.0, step) for step in steps]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 0.4])
    schedule.anneal()
    # From below the minimum it stays where it is.
    schedule = make(minimum=0.5)
    schedule.learning_rate(1.0, 20)
    schedule.anneal()
    assert schedule.learning_rate(1.0, 1000) == pytest.approx(0.2)


@pytest.mark.parametrize("minimum", [0.01, 1.0])
def test_there_is_no_jump_anywhere(minimum: float) -> None:
    schedule = make(minimum=minimum, rewarm_at_change=True)
    rates = []
    for step in range(1, 1500):
        rates.append(schedule.learning_rate(1.0, step))
        if step in (50, 620, 1300):
            schedule.on_change({})
        if step in (70, 450, 700, 1100):
            schedule.anneal()
    jumps = [abs(one - other) for one, other in itertools.pairwise(rates)]
    # The steepest line is the decay from 1 to the minimum.
    assert max(jumps) < 0.1
    assert len(set(rates)) > 300


def test_changes_are_ignored_unless_asked_for() -> None:
    schedule = make()
    schedule.learning_rate(1.0, 1000)
    schedule.on_change({})
    assert schedule.learning_rate(1.0, 1001) == 0.4


def test_without_warm_up_it_begins_at_the_whole_rate() -> None:
    schedule = make(warmup_steps=0)
    assert schedule.learning_rate(1.0, 0) == 1.0
    assert make(warmup_steps=0, cooldown_steps=0).learning_rate(1.0, 0) == 0.4


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize("kind", [PPO, SAC])
def test_it_depends_on_the_agents_whole_life_alone(
    kind: Any, backend: str, build: Callable[..., Any]
) -> None:
    settings: dict[str, Any] = {"warmup_steps": 200, "cooldown_steps": 200, "anneal_steps": 100}
    schedule = InfiniteSchedule(**settings)
    agent = build(kind, methods=[schedule], backend=backend, learning_rate=1e-3)
    optimizers = {id(part.optimizer): part.optimizer for part in agent.parts}.values()
    wanted = InfiniteSchedule(**settings)
    wanted.attach([], seed=0)

    def check(steps: int) -> None:
        rate = wanted.learning_rate(1e-3, steps)
        assert agent.logger.name_to_value["train/learning_rate"] == rate or kind is PPO
        for optimizer in optimizers:
            assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)

    agent.learn(64)
    check(64)
    agent.learn(64)
    check(128)
    agent.learn(128, reset_num_timesteps=False)
    check(256)
    file = io.BytesIO()
    agent.methods[0].anneal()
    wanted.anneal()
    agent.save(file)
    loaded = kind.load(file, env=agent.get_env(), device="cpu")
    if kind is SAC:
        loaded.replay_buffer = agent.replay_buffer
    loaded.learn(64)
    for part in loaded.parts:
        rate = wanted.learning_rate(1e-3, 320)
        assert part.optimizer.param_groups[0]["lr"] == pytest.approx(rate)
    if kind is SAC:
        assert loaded.ent_coef_optimizer.param_groups[0]["lr"] == pytest.approx(rate)
