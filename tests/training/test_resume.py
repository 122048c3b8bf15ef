"""A run that was ended at any moment and started again ends as one that never was."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from everlearn.training import events
from everlearn.training.ppo import TrainPPO
from everlearn.training.run import read_status
from everlearn.training.sac import TrainSAC
from everlearn.training.train import plan_run, train

sys.path.insert(0, str(Path(__file__).parent))
from interruptions import Crash, kill_at  # type: ignore[import-not-found]

# What stands for the end of the process leaves files open, as that does.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

METHODS = ("continual-backprop:replacement_rate=0.05,maturity=3",)
# A change lands at 50, 100, ...: before and after checkpoints at 64, 128, ...
STREAM = "everlearn/SlipperyAnt-v0:change_every=50"
PPO = TrainPPO(
    stream=STREAM,
    total_steps=256,
    n_envs=2,
    n_steps=16,
    batch_size=16,
    n_epochs=2,
    hidden_sizes=(8, 8),
    checkpoint_every=2,
)
SAC = TrainSAC(
    stream=STREAM,
    total_steps=256,
    n_envs=1,
    iteration_steps=32,
    learning_starts=40,
    batch_size=8,
    buffer_size=100,
    replay_ratio=0.5,
    hidden_sizes=(8, 8),
    checkpoint_every=2,
)
AGENTS: dict[str, Any] = {
    "ppo": PPO,
    "ppo+method": replace(PPO, methods=METHODS),
    "sac": SAC,
    "sac+method": replace(SAC, methods=METHODS),
}
BACKENDS = ("native", "gymnasium", "envpool")


def raise_crash() -> None:
    raise Crash


def timeless_table(file: Path) -> list[list[str]]:
    rows = [line.split(",") for line in file.read_text().splitlines()]
    kept = [index for index, name in enumerate(rows[0]) if not name.startswith("time/")]
    return [[row[index] for index in kept] for row in rows]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = event_accumulator.EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return {
        tag: [(scalar.step, scalar.value) for scalar in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
        if not tag.startswith("time/")
    }


def tensors(folder: Path) -> dict[str, Any]:
    with zipfile.ZipFile(folder / "model.zip") as file:
        names = [name for name in file.namelist() if name.endswith(".pth")]
        return {name: torch.load(io.BytesIO(file.read(name)), weights_only=True) for name in names}


def compare_runs(ours: Path, theirs: Path) -> None:
    for table in ("iterations.csv", "episodes.csv"):
        assert timeless_table(ours / table) == timeless_table(theirs / table)
    assert repr(scalars(ours)) == repr(scalars(theirs))
    torch.testing.assert_close(tensors(ours), tensors(theirs), rtol=0, atol=0, equal_nan=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the folder of a run that was never interrupted, each made once."""
    folder, made = tmp_path_factory.mktemp("whole"), {}

    def get(agent: str, backend: str, **changed: Any) -> Path:
        key = f"{agent} {backend} {changed}"
        if key not in made:
            settings = replace(AGENTS[agent], world_backend=backend, **changed)
            made[key] = train(replace(settings, runs_folder=str(folder / key))).folder
        return made[key]

    return get


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # In one process the files of events have names in the order in which they are made.
    monkeypatch.setattr(events.time, "sleep", lambda seconds: None)


def crash(settings: Any, point: str, after: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch.setattr, point, after, raise_crash)
        with pytest.raises(Crash):
            train(settings)


@pytest.mark.parametrize(
    ("agent", "backend"),
    [
        ("ppo+method", "native"),
        ("sac+method", "native"),
        ("ppo", "gymnasium"),
        ("sac", "gymnasium"),
        ("ppo+method", "envpool"),
        ("sac+method", "envpool"),
    ],
)
def test_interrupted_runs_end_as_others(
    agent: str, backend: str, tmp_path: Path, whole: Any
) -> None:
    settings = replace(AGENTS[agent], world_backend=backend, runs_folder=str(tmp_path))
    # Before the first checkpoint; then again and again a little behind one.
    for point, after in [
        ("update", 1),
        ("rollout", 75 // settings.n_envs),
        ("checkpoint", 12),
        ("events", 1),
        ("row", 1),
    ]:
        crash(settings, point, after)
    assert train(settings).steps == 256
    compare_runs(plan_run(settings).folder, whole(agent, backend))


@pytest.mark.parametrize(
    ("agent", "backend"), [("ppo+method", "envpool"), ("sac+method", "native")]
)
def test_a_longer_run_goes_on_from_the_end(
    agent: str, backend: str, tmp_path: Path, whole: Any
) -> None:
    settings = replace(AGENTS[agent], world_backend=backend, runs_folder=str(tmp_path))
    train(replace(settings, total_steps=160))
    train(settings)
    compare_runs(plan_run(settings).folder, whole(agent, backend))


@pytest.mark.parametrize("agent", ["ppo+method", "sac+method"])
def test_checkpoints_change_nothing_where_worlds_keep_their_state(
    agent: str, tmp_path: Path, whole: Any
) -> None:
    settings = replace(AGENTS[agent], world_backend="native", runs_folder=str(tmp_path))
    train(replace(settings, checkpoint_every=0))
    folder = plan_run(settings).folder
    assert not (folder / "checkpoint").exists()
    compare_runs(folder, whole(agent, "native"))


def test_a_process_that_is_killed_goes_on(tmp_path: Path, whole: Any) -> None:
    settings = replace(AGENTS["sac+method"], world_backend="native", runs_folder=str(tmp_path))
    assert run_killed(settings, ["a", "b", "c", "d"]) >= 2
    compare_runs(plan_run(settings).folder, whole("sac+method", "native"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("agent", AGENTS)
def test_twenty_kills(agent: str, backend: str, tmp_path: Path, whole: Any) -> None:
    settings = replace(
        AGENTS[agent], world_backend=backend, runs_folder=str(tmp_path), total_steps=640
    )
    killed = run_killed(settings, [f"{agent} {backend} {number}" for number in range(32)])
    assert killed >= 20
    compare_runs(plan_run(settings).folder, whole(agent, backend, total_steps=640))


def run_killed(settings: Any, seeds: list[str]) -> int:
    script = Path(__file__).parent / "interruptions.py"
    given = json.dumps({"agent": settings.agent, **asdict(settings)})
    done = subprocess.run(
        [sys.executable, "-P", str(script), given, *seeds], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    status = read_status(plan_run(settings).folder)
    assert status is not None
    assert status.state == "finished"
    return int(done.stdout.split()[-2])
