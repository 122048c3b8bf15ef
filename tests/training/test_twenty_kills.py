"""Runs that were killed twenty times end as others: every agent, method and world.

By default each method meets one of the three back ends on PPO and the next on SAC; with
EVERLEARN_ALL_WORLDS=1 it meets all on both. With EVERLEARN_KILLS_RECORD=<file> each case writes a
row there, in place of the one it had.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from everlearn.training import run
from everlearn.training.benchmark.rounds import write_record
from everlearn.training.offline_agents import TrainOnlineFamO2O
from everlearn.training.train import plan_run

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "agents"))
from interruptions import run_killed  # type: ignore[import-not-found]
from method_cases import CASES, ON_PPO, ON_SAC, in_words  # type: ignore[import-not-found]
from same_runs import compare_runs, compare_weights  # type: ignore[import-not-found]
from small_runs import (  # type: ignore[import-not-found]
    AGENTS,
    BACKENDS,
    BUFFERS,
    COTASP,
    DETECTION,
    IN_TASKS,
    OFFLINE,
    SAC,
)

pytestmark = pytest.mark.slow

# By two copies, and by one, of which fewer steps are made until it is killed.
STEPS = {2: 1024, 1: 768}
EVERYWHERE = os.environ.get("EVERLEARN_ALL_WORLDS") == "1"
RECORD = os.environ.get("EVERLEARN_KILLS_RECORD")
METHODS = {
    **{name: in_words(name) for name in CASES},
    # So hasty that noise alone is noticed.
    "change-detection": DETECTION[0],
    # With more steps the policy would be frozen until the next task begins.
    "warm-start": "warm-start:steps=20,ratio=none",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def without(folder: Path) -> Any:
    """Return the run folder of an agent in tasks without a method, each made once."""

    @cache
    def get(agent: str, backend: str) -> Path:
        return run_whole(replace(IN_TASKS[agent], world_backend=backend), folder)

    return get


@pytest.fixture(scope="module")
def lived(folder: Path) -> str:
    """Return the folder of a run of SAC from whose replay buffer others learn."""
    return str(run_whole(replace(SAC, stream=IN_TASKS["sac"].stream), folder))


def placed(settings: Any, folder: Path) -> Any:
    """Return settings of a run of the right length in a folder."""
    return replace(settings, runs_folder=str(folder), total_steps=STEPS[settings.n_envs])


def run_whole(settings: Any, folder: Path) -> Path:
    """Train without a kill, and return the run folder."""
    settings = placed(settings, folder / "runs")
    run_killed(settings, "", folder / "log", kills=0)
    return plan_run(settings).folder


def require_same(name: str, settings: Any, folder: Path) -> Path:
    """Kill a run twenty times, compare it with one that is not, and return its folder."""
    began = time.perf_counter()
    settings = placed(settings, folder / "killed")
    killed, equal = run_killed(settings, name, folder / "log"), False
    stamp = json.loads((plan_run(settings).folder / run.STAMP).read_text())
    # A run that began anew each time would end alike, too.
    went_on = len(stamp.get("continued", []))
    try:
        assert killed == 20
        assert went_on > 0
        compare_runs(plan_run(settings).folder, run_whole(settings, folder))
        equal = True
    finally:
        seconds = round(time.perf_counter() - began, 1)
        row = {"run": name, "killed": killed, "went_on": went_on, "equal": equal}
        write_row({**row, "seconds": seconds})
    return plan_run(settings).folder


def write_row(row: dict[str, Any]) -> None:
    if not RECORD:
        return
    row["commit"] = run.stamp()["git"]["commit"][:7]
    file = Path(RECORD)
    lines = file.read_text().splitlines()[1:] if file.exists() else []
    rows = {found["run"]: found for found in map(json.loads, lines)} | {row["run"]: row}
    what = "weights, tables and TensorBoard scalars equal those of an uninterrupted run bit for bit"
    with pytest.MonkeyPatch.context() as patch:
        command = ["pytest", "tests/training/test_twenty_kills.py", "-m", "slow"]
        patch.setattr(sys, "argv", ["-m", *command])
        head = {"experiment": "twenty kills", "what": what}
        write_record(file, head, [rows[name] for name in sorted(rows)])


@pytest.mark.parametrize(
    ("agent", "backend"),
    [
        (agent, backend)
        for agent in AGENTS
        # No other knows CartPole's force.
        for backend in (("gymnasium",) if "CartPole" in AGENTS[agent].stream else BACKENDS)
    ],
)
def test_agents(agent: str, backend: str, tmp_path: Path) -> None:
    settings = replace(AGENTS[agent], world_backend=backend)
    require_same(f"{agent}, {backend}", settings, tmp_path)


def methods() -> Iterator[tuple[str, str, str]]:
    """Yield every method with every agent that can have it, and worlds in turn."""
    for number, method in enumerate(sorted(CASES)):
        for shift, (agent, fitting) in enumerate({"ppo": ON_PPO, "sac": ON_SAC}.items()):
            chosen = BACKENDS[(number + shift) % len(BACKENDS)]
            for backend in BACKENDS if EVERYWHERE else (chosen,):
                if method in fitting:
                    yield agent, method, backend


@pytest.mark.parametrize(("agent", "method", "backend"), list(methods()))
def test_methods(agent: str, method: str, backend: str, tmp_path: Path, without: Any) -> None:
    settings = replace(IN_TASKS[agent], world_backend=backend, methods=(METHODS[method],))
    ended = require_same(f"{agent}+{method}, {backend}", settings, tmp_path)
    if CASES[method].observes:
        assert "detection/" in (ended / "iterations.csv").read_text()
    else:
        with pytest.raises(AssertionError):
            compare_weights(ended, without(agent, backend))


@pytest.mark.parametrize("agent", BUFFERS)
def test_replay_buffers(agent: str, tmp_path: Path) -> None:
    require_same(f"{agent}, native", replace(BUFFERS[agent], world_backend="native"), tmp_path)


def test_earlier_runs(lived: str, tmp_path: Path) -> None:
    settings = replace(IN_TASKS["sac"], earlier_runs=(lived,), world_backend="native")
    require_same("sac, earlier runs, native", settings, tmp_path)


def test_cotasp(tmp_path: Path) -> None:
    require_same("train_cotasp in CW3", COTASP, tmp_path)


def with_sets(settings: Any, *sets: str) -> Any:
    return replace(
        settings,
        sets=sets,
        iteration_steps=32,
        batch_size=8,
        hidden_sizes=(8, 8),
        checkpoint_every=2,
        evaluate_every=3,
        evaluation_steps=20,
        evaluation_episodes=1,
    )


@pytest.mark.parametrize("agent", OFFLINE)
def test_offline_agents(agent: str, lived: str, tmp_path: Path) -> None:
    settings = with_sets(OFFLINE[agent], *[lived] * (2 if agent == "oer" else 1))
    require_same(agent, placed(settings, tmp_path).completed(), tmp_path)


def test_a_family_online(lived: str, folder: Path, tmp_path: Path) -> None:
    family = placed(with_sets(OFFLINE["famo2o"], lived), folder).completed()
    settings = TrainOnlineFamO2O(start_from=str(run_whole(family, folder)), replay_ratio=0.5)
    settings = placed(with_sets(settings, lived), tmp_path).completed()
    require_same("famo2o-online", settings, tmp_path)
