"""What old experience is good for, at the smallest budgets: a test kit, and a script.

As a script it runs one experiment for some seeds, and adds a row for each to a record:
`effects.py two-contexts runs/records/old_experience.jsonl 0 1 2`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from everlearn.agents import SAC
from everlearn.agents.offline import CQL, OER, FamO2O, OnlineFamO2O
from everlearn.agents.replay import WarmStart
from everlearn.agents.replay.donor import begin_from
from everlearn.agents.replay.lean_state import as_transitions
from everlearn.agents.replay.mixed import MixedReplayBuffer
from everlearn.agents.replay.schedules import Schedule, ScheduleSearch, equal_schedule
from everlearn.agents.replay.transitions import Transitions

Curve = list[float]


def evaluate(agent: Any, episodes: int = 3) -> float:
    """Return the mean return of deterministic episodes of Pendulum, always the same ones."""
    env, returns = gymnasium.make("Pendulum-v1"), []
    for seed in range(episodes):
        observation, _ = env.reset(seed=1000 + seed)
        total, over = 0.0, False
        while not over:
            action, _ = agent.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(action)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


def sac(seed: int, **own: Any) -> SAC:
    settings: dict[str, Any] = {
        "learning_rate": 1e-3,
        "batch_size": 64,
        "learning_starts": 300,
        "buffer_size": 10_000,
        "policy_kwargs": {"net_arch": [64, 64]},
        "backend": "eager",
        "diagnostics": False,
        "device": "cpu",
        **own,
    }
    return SAC("MlpPolicy", "Pendulum-v1", seed=seed, **settings)


def curve(agent: Any, steps: int) -> Curve:
    """Return what an agent earns after each 1,000 steps."""
    found = []
    for _ in range(steps // 1000):
        agent.learn(1000, reset_num_timesteps=False)
        found.append(round(evaluate(agent), 1))
    return found


def lived(seed: int) -> Transitions:
    """Return the 3,000 steps that another agent lived, who had not learned to swing up by then."""
    buffer: Any = sac(seed).learn(3000).replay_buffer
    return as_transitions(buffer.get_state(), [buffer.get_rows(0)])


def half_from(transitions: Transitions) -> dict[str, Any]:
    return {
        "replay_buffer_class": MixedReplayBuffer,
        "replay_buffer_kwargs": {"sources": {"earlier": transitions}},
    }


def replay_across_experiments(seed: int, earlier: bool, steps: int = 4000) -> dict[str, Any]:
    """Learn alone, or by half from what another agent lived."""
    own = half_from(lived(seed)) if earlier else {}
    return {"returns": curve(sac(seed + 100, **own), steps)}


def offline_to_online(
    seed: int, keep: bool, updates: int = 3000, steps: int = 4000
) -> dict[str, Any]:
    """Learn by Cal-QL from what another agent lived, and then in the world.

    Goes on with half of each batch from that, or, as WSRL does, without it and with a policy that
    is frozen for the first 300 steps.
    """
    data = lived(seed)
    before = CQL(
        gymnasium.make("Pendulum-v1"),
        data,
        calibrated=True,
        learning_rate=1e-3,
        batch_size=64,
        policy_kwargs={"net_arch": [64, 64]},
        seed=seed + 100,
        device="cpu",
    ).learn(updates)
    warm = WarmStart(steps=300, ratio=None)
    own = half_from(data) if keep else {"methods": [warm]}
    agent = sac(seed + 100, **{"learning_starts": 0, **own})
    with tempfile.TemporaryDirectory() as folder:
        before.save(Path(folder) / "model.zip")
        begin_from(agent, Path(folder) / "model.zip")
    begun = round(evaluate(agent), 1)
    return {"returns": curve(agent, steps), "begun": begun}


def family_online(seed: int, updates: int = 3000, steps: int = 4000) -> dict[str, Any]:
    """Learn a family of policies from what another agent lived, and then in the world."""
    data = lived(seed)
    own: dict[str, Any] = {
        "learning_rate": 1e-3,
        "batch_size": 64,
        "policy_kwargs": {"net_arch": [64, 64]},
        "seed": seed + 100,
        "device": "cpu",
    }
    before = FamO2O("Pendulum-v1", data, **own).learn(updates)
    agent = OnlineFamO2O("Pendulum-v1", data, **own)
    with tempfile.TemporaryDirectory() as folder:
        before.save(Path(folder) / "model.zip")
        begin_from(agent, Path(folder) / "model.zip")
    begun = round(evaluate(agent), 1)
    return {"returns": curve(agent, steps), "begun": begun}


class Directions(gymnasium.Env[Any, Any]):
    """A point in the plane that is to go one of four ways; the task is observed."""

    observation_space = spaces.Box(-np.inf, np.inf, (6,))
    action_space = spaces.Box(-1, 1, (2,))

    def reset(self, **settings: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(**settings)
        return np.zeros(self.observation_space.shape, np.float32), {}

    def step(self, action: Any) -> Any:
        raise AssertionError("sets are made by `direction_set`")


WAYS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)


def direction_set(task: int, seed: int, n: int = 2000, length: int = 20) -> Transitions:
    """Return steps of a medium policy: 0.7 along the way, with noise of 0.3."""
    generator = np.random.default_rng([seed, task])
    actions = 0.7 * WAYS[task] + 0.3 * generator.normal(size=(n, 2))
    actions = actions.clip(-1, 1).astype(np.float32)
    positions = np.zeros((n + 1, 2), np.float32)
    for index in range(n):
        start = positions[index] if index % length else np.zeros(2)
        positions[index] = start
        positions[index + 1] = start + 0.1 * actions[index]
    after = positions[:-1] + np.float32(0.1) * actions
    told = np.tile(np.eye(4, dtype=np.float32)[task], (n, 1))
    ends = np.arange(n) % length == length - 1
    begin, end = (np.concatenate([p, told], axis=1) for p in (positions[:-1], after))
    return Transitions(begin, actions, actions @ WAYS[task], end, ends & False, ends)


def direction_return(agent: Any, task: int, length: int = 20) -> float:
    """Return what an agent earns in one task, at most 20."""
    position, total = np.zeros(2, np.float32), 0.0
    for _ in range(length):
        observation = np.concatenate([position, np.eye(4, dtype=np.float32)[task]])
        action = agent.predict(observation, deterministic=True)[0]
        position = (position + 0.1 * action).astype(np.float32)
        total += float(action @ WAYS[task])
    return total


ARMS: dict[str, dict[str, Any]] = {
    "oer": {},
    "oer, random": {"selection": "random"},
    "oer, reward": {"selection": "reward"},
    "oer, coverage": {"selection": "coverage"},
    "er": {"selection": "random", "dual": False},
    "sequential": {"selection": "random", "dual": False, "memory_size": 1},
}


def one_set_after_another(
    seed: int,
    arm: str = "oer",
    updates: int = 200,
    memory_size: int = 100,
    schedule: Schedule | None = None,
) -> dict[str, Any]:
    """Learn four ways from a set each, with small memories of the earlier ones.

    PER is the mean return over tasks at the end, BWT the mean change of tasks since they were
    learned.
    """
    agent = OER(
        Directions(),
        [direction_set(task, seed) for task in range(4)],
        updates,
        learning_rate=1e-3,
        batch_size=64,
        policy_kwargs={"net_arch": [32, 32]},
        seed=seed,
        device="cpu",
        schedule=schedule,
        **{"memory_size": memory_size, **ARMS[arm]},
    )
    returns = np.zeros((4, 4))
    for stage in range(4):
        agent.learn(updates, reset_num_timesteps=False)
        returns[stage] = [direction_return(agent, task) for task in range(4)]
    backward = returns[3, :3] - returns.diagonal()[:3]
    return {
        "per": round(float(returns[3].mean()), 2),
        "bwt": round(float(backward.mean()), 2),
    }


def replay_schedule(seed: int, tries: int = 40, updates: int = 100) -> dict[str, Any]:
    """Search the schedule by which plain replay keeps four ways best, and try it on other seeds.

    There each replays what was found for this seed, and all tasks alike.
    """
    search = ScheduleSearch(n_tasks=4, seed=seed)
    for _ in range(tries):
        found = one_set_after_another(seed, "er", updates, schedule=search.ask())
        search.tell(found["per"] / 20)
    assert search.best is not None
    score, best = search.best

    def elsewhere(schedule: Schedule) -> float:
        others = range(1000 * (seed + 1), 1000 * (seed + 1) + 5)
        kept = [one_set_after_another(s, "er", updates, schedule=schedule)["per"] for s in others]
        return round(float(np.mean(kept)), 2)

    alike = equal_schedule(4)
    return {
        "schedule": [[round(part, 2) for part in parts] for parts in best],
        "per": round(20 * score, 2),
        "per_alike": one_set_after_another(seed, "er", updates, schedule=alike)["per"],
        "per_elsewhere": elsewhere(best),
        "per_elsewhere_alike": elsewhere(alike),
    }


class TwoContexts(Directions):
    """A world of single steps in one of two contexts."""

    observation_space = spaces.Box(0, 1, (2,))
    action_space = spaces.Box(-1, 1, (1,))


def two_contexts(seed: int, updates: int = 1000, n: int = 2000) -> dict[str, Any]:
    """Choose coefficients where the data are good, and where greed is right.

    In the first context actions are near the best one, which pays 1, and what pays differs by
    noise alone. In the second half of them pay 1 and half 0, and their mean is worst.
    """
    generator = np.random.default_rng(seed)
    second = np.arange(n) % 2 == 1
    modes = np.where(generator.random(n) < 0.5, -0.6, 0.6)
    drawn = np.where(second, modes, 0.0) + 0.1 * generator.normal(size=n)
    actions = drawn.clip(-1, 1).astype(np.float32)[:, None]
    paid = np.where(second, modes > 0, 1.0) + 0.1 * generator.normal(size=n)
    states = np.stack([~second, second], axis=1).astype(np.float32)
    ends = np.ones(n, np.bool_)
    data = Transitions(states, actions, paid.astype(np.float32), states, ends, ends)
    agent = FamO2O(
        TwoContexts(),
        data,
        (0.0, 10.0),
        learning_rate=1e-3,
        batch_size=64,
        policy_kwargs={"net_arch": [32, 32]},
        seed=seed,
        device="cpu",
    ).learn(updates)
    with torch.no_grad():
        chosen = agent.policy.choose(torch.eye(2))[0].tolist()
        means = agent.policy.law(torch.eye(2), torch.tensor(chosen))[0][:, 0].tolist()
    return {"coefficients": [round(c, 2) for c in chosen], "actions": [round(m, 2) for m in means]}


EXPERIMENTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "half earlier experience": partial(replay_across_experiments, earlier=True),
    "no earlier experience": partial(replay_across_experiments, earlier=False),
    "a set first, and half of each batch": partial(offline_to_online, keep=True),
    "a set first, and then dropped": partial(offline_to_online, keep=False),
    "a family first, and the set kept": family_online,
    **{f"one-set-after-another, {arm}": partial(one_set_after_another, arm=arm) for arm in ARMS},
    "replay schedule": replay_schedule,
    "two-contexts": two_contexts,
}


def main(name: str, record: str, *seeds: str) -> None:
    """Run an experiment for some seeds, and add a row for each to a record."""
    torch.set_num_threads(1)
    for seed in map(int, seeds):
        began = time.process_time()
        found = EXPERIMENTS[name](seed)
        seconds = round(time.process_time() - began, 1)
        row = {"experiment": name, "seed": seed, **found, "cpu_seconds": seconds}
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
