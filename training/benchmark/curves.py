"""Whether our agents learn as well as stable-baselines3's: final returns of several seeds.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from ...wrappers.errors import SettingsError
from ..terminal import print_table

SB3 = "stable-baselines3"
FULL = "compiled"
"""What bfloat16 is compared with."""

Comparison = Literal[
    "ppo CartPole-v1",
    "ppo Pendulum-v1",
    "ppo HalfCheetah-v5",
    "sac Pendulum-v1",
    "sac Pendulum-v1 narrow",
    "sac HalfCheetah-v5",
    "sac HalfCheetah-v5 narrow",
]

LAST_SHARE = 0.1
"""Share of the run whose episodes count: the last tenth."""


class Course(NamedTuple):
    """What is compared in one world.

    Attributes:
        steps: of a run, over all copies.
        candidates: who runs; the others are compared with the first.
        settings: of every agent, in stable-baselines3's words.
        copies: of the world.
        normalize: whether observations are scaled.
    """

    steps: int
    candidates: tuple[str, ...]
    settings: dict[str, Any]
    copies: int = 1
    normalize: bool = False


_PPO = (SB3, "eager", FULL)
_SAC = (SB3, FULL, "compiled, bfloat16")
_ROLLOUT: dict[str, Any] = {"n_steps": 128, "batch_size": 64, "n_epochs": 10}
_WIDE: dict[str, Any] = {"learning_starts": 1000, "policy_kwargs": {"net_arch": [256, 256]}}
_NARROW: dict[str, Any] = {"learning_starts": 1000, "policy_kwargs": {"net_arch": [64, 64]}}

COURSES: dict[str, Course] = {
    "ppo CartPole-v1": Course(100_000, _PPO, _ROLLOUT, copies=8),
    "ppo Pendulum-v1": Course(
        100_000, _PPO, {**_ROLLOUT, "gamma": 0.9, "learning_rate": 1e-3}, copies=8
    ),
    "ppo HalfCheetah-v5": Course(100_000, _PPO, _ROLLOUT, copies=8, normalize=True),
    "sac Pendulum-v1": Course(5_000, _SAC, _WIDE),
    "sac Pendulum-v1 narrow": Course(100_000, _SAC[:2], _NARROW),
    "sac HalfCheetah-v5": Course(15_000, _SAC, _WIDE),
    "sac HalfCheetah-v5 narrow": Course(100_000, _SAC[:2], _NARROW),
}
"""Everything compared, by agent and world."""


@dataclass(frozen=True)
class BenchmarkCurves:
    """Compare final returns: ours with stable-baselines3's, and bfloat16's with float32's.

    A run's score is the mean return of the episodes that ended in its last tenth. The record holds
    a line a run, then the interquartile mean of each candidate with its 95 % interval over runs.
    A record that is there already is gone on with: its runs are not made again.
    """

    comparisons: tuple[Comparison, ...] = get_args(Comparison)
    """What to compare."""

    seeds: int = 5
    """Runs of each candidate."""

    share: float = 1.0
    """How much of each run's steps to make, from 0 to 1: 0.5 for runs of half the length."""

    output: Path = Path("runs/records/learning_curves.jsonl")
    """Where to write the record as JSON lines, after each run."""

    def run(self) -> None:
        """Run, write and print.

        Raises:
            SettingsError: for a number out of range.
        """
        if self.seeds < 1:
            raise SettingsError(f"--seeds must be 1 or more, not {self.seeds}")
        if not 0 < self.share <= 1:
            raise SettingsError(f"--share must be above 0 and at most 1, not {self.share}")
        compare_curves(self)


def compare_curves(settings: BenchmarkCurves) -> list[dict[str, Any]]:
    """Make the runs that are missing, and sum up.

    Args:
        settings: what to compare.

    Returns:
        The record's rows.
    """
    import torch

    from .rounds import write_record

    torch.set_num_threads(1)
    head = {"benchmark": "curves", "settings": {**asdict(settings), "output": None}}
    runs = _known_runs(settings.output)
    summary: list[dict[str, Any]] = []
    for seed in range(settings.seeds):
        for name in settings.comparisons:
            course = COURSES[name]
            steps = int(course.steps * settings.share)
            for candidate in course.candidates:
                key = {"comparison": name, "candidate": candidate, "steps": steps, "seed": seed}
                if any(key.items() <= row.items() for row in runs):
                    continue
                runs.append({**key, **_learn(name, candidate, steps, seed)})
                summary = summarize(runs)
                write_record(settings.output, head, [*runs, *summary])
                print(f"{name}, {candidate}, seed {seed}: {runs[-1]['score']:.1f}", flush=True)
    summary = summarize(runs)
    write_record(settings.output, head, [*runs, *summary])
    columns = list(summary[0])
    cells = [[str(row[column]) for column in columns] for row in summary]
    print_table([column.replace("_", " ") for column in columns], cells)
    return [*runs, *summary]


def summarize(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each candidate's interquartile mean with its interval, and whether they overlap.

    Args:
        runs: rows with "comparison", "steps", "candidate" and "score".
    """
    from ...evaluation.statistics.aggregates import interquartile_mean
    from ...evaluation.statistics.bootstrap import bootstrap

    groups: dict[tuple[str, int, str], list[float]] = {}
    for run in runs:
        key = (run["comparison"], run["steps"], run["candidate"])
        groups.setdefault(key, []).append(run["score"])
    rows: list[dict[str, Any]] = []
    first: dict[tuple[str, int], dict[str, Any]] = {}
    for (name, steps, candidate), scores in groups.items():
        found = bootstrap(interquartile_mean, [[score] for score in scores])
        low, high = float(found.low), float(found.high)
        row = {
            "comparison": name,
            "steps": steps,
            "candidate": candidate,
            "runs": len(scores),
            "iqm": round(float(found.value), 2),
            "low": round(low, 2),
            "high": round(high, 2),
        }
        basis = first.setdefault((name, steps), row)
        row["overlaps_first"] = bool(low <= basis["high"] and basis["low"] <= high)
        rows.append(row)
    return rows


def _known_runs(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if "score" in row]


def _learn(name: str, candidate: str, steps: int, seed: int) -> dict[str, Any]:
    """Make one run, and return its score."""
    import numpy as np
    import stable_baselines3
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

    from ... import agents

    class Episodes(BaseCallback):
        returns: list[tuple[int, float]]

        def _init_callback(self) -> None:
            self.returns = []

        def _on_step(self) -> bool:
            for info in self.locals["infos"]:
                if "episode" in info:
                    self.returns.append((self.num_timesteps, float(info["episode"]["r"])))
            return True

    course = COURSES[name]
    kind, world, *_ = name.split()
    env: VecEnv = make_vec_env(world, course.copies, seed=seed)
    if course.normalize:
        env = VecNormalize(env, norm_reward=False)
    own: dict[str, Any] = {**course.settings, "seed": seed, "device": "cpu"}
    if candidate != SB3:
        own["backend"] = candidate.partition(",")[0]
        if "bfloat16" in candidate:
            own["bfloat16"] = True
    maker: Any = getattr(stable_baselines3 if candidate == SB3 else agents, kind.upper())
    agent, episodes = maker("MlpPolicy", env, **own), Episodes()
    started = time.perf_counter()
    agent.learn(steps, callback=episodes)
    env.close()
    late = [total for step, total in episodes.returns if step > (1 - LAST_SHARE) * steps]
    if not late:
        raise SettingsError(f"no episode of {name} ended in the last tenth of {steps} steps")
    return {"score": float(np.mean(late)), "seconds": round(time.perf_counter() - started, 1)}
