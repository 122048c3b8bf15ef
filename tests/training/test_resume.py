"""A run that was ended at any moment and started again ends as one that never was."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.summary.writer import event_file_writer  # type: ignore[import-untyped]

from everlearn.agents import PPO as PPOAgent
from everlearn.envs.vec_env import StreamVecEnv
from everlearn.evaluation.records import read_run
from everlearn.training import events
from everlearn.training.door import answer
from everlearn.training.ppo import TrainPPO
from everlearn.training.run import read_status
from everlearn.training.stopping import Diverged, Stopped
from everlearn.training.train import plan_run, train
from everlearn.wrappers.errors import SettingsError

sys.path.insert(0, str(Path(__file__).parent))
from interruptions import Crash, kill_at, run_killed  # type: ignore[import-not-found]
from same_runs import compare_runs  # type: ignore[import-not-found]
from small_runs import AGENTS, PPO, RETENTION, TASKS  # type: ignore[import-not-found]

# What stands for the end of the process leaves files open, as that does.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def raise_crash() -> None:
    raise Crash


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
    # Within a second the files of events are told apart by a number, and TensorBoard reads them in
    # the order of their names: of one width, the numbers keep that the order in which they are
    # made, and nobody has to wait for the next second.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(10**6))
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
        pytest.param("sac+method", "native", marks=pytest.mark.slow),
        pytest.param("ppo+detection", "native", marks=pytest.mark.slow),
        pytest.param("sac+replaying", "native", marks=pytest.mark.slow),
        ("ppo", "gymnasium"),
        ("secbad", "gymnasium"),
        pytest.param("recurrent-ppo", "gymnasium", marks=pytest.mark.slow),
        ("rl-squared", "gymnasium"),
        pytest.param("recurrent-ppo+method", "envpool", marks=pytest.mark.slow),
        pytest.param("secbad on recurrent-ppo", "gymnasium", marks=pytest.mark.slow),
        pytest.param("secbad on sac", "gymnasium", marks=pytest.mark.slow),
        pytest.param("sac", "gymnasium", marks=pytest.mark.slow),
        ("ppo+method", "envpool"),
        pytest.param("sac+method", "envpool", marks=pytest.mark.slow),
        ("ppo, normalized", "native"),
        pytest.param("sac, normalized", "native", marks=pytest.mark.slow),
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
    folder = plan_run(settings).folder
    compare_runs(folder, whole(agent, backend))
    assert (folder / "detections.csv").exists() == (agent == "ppo+detection")


@pytest.mark.slow
@pytest.mark.parametrize("method", RETENTION)
def test_a_run_of_tasks_is_killed_in_the_second(method: str, tmp_path: Path) -> None:
    settings = replace(TASKS, methods=RETENTION[method])
    parted, whole = (replace(settings, runs_folder=str(tmp_path / name)) for name in "ab")
    # Before the checkpoint at step 64, and twice behind it.
    for after in (60, 85, 85 - 64):
        crash(parted, "rollout", after)
    folder = plan_run(parted).folder
    assert read_run(folder).iterations["continual/task"].tolist() == [0, 1]
    assert train(parted).steps == 160
    compare_runs(folder, train(whole).folder)
    assert read_run(folder).iterations["continual/tasks"].iloc[-1] == 3


@pytest.mark.parametrize(
    ("agent", "backend"),
    [
        ("ppo+method", "envpool"),
        pytest.param("sac+method", "native", marks=pytest.mark.slow),
        ("sac+replaying", "native"),
    ],
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
    # The other has its replay buffer in memory.
    settings = replace(settings, memmap_folder=str(tmp_path))
    assert run_killed(settings, "once more", tmp_path / "log", kills=4, patient=True) >= 2
    compare_runs(plan_run(settings).folder, whole("sac+method", "native"))


def small(folder: Path, **changed: Any) -> TrainPPO:
    return replace(PPO, runs_folder=str(folder), total_steps=128, evaluate_every=0, **changed)


def half_way(folder: Path, **changed: Any) -> tuple[TrainPPO, Path]:
    """Return a run that ended after its first checkpoint, and its folder."""
    settings = small(folder, **changed)
    crash(settings, "rollout", 40)
    return settings, plan_run(settings).folder


def once(function: Callable[[], object]) -> Callable[[], None]:
    """Return a function that does something at its first call alone."""
    left = [function]

    def call() -> None:
        if left:
            left.pop()()

    return call


def contents(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != ".lock"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def require_refused(settings: TrainPPO, folder: Path, sentence: str) -> None:
    before = contents(folder)
    with pytest.raises(SettingsError, match=sentence):
        train(settings)
    assert contents(folder) == before


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    settings, folder = half_way(tmp_path)
    other = replace(settings, learning_rate=3e-4)
    moved = plan_run(other).folder
    moved.parent.mkdir(parents=True)
    folder.rename(moved)
    require_refused(other, moved, "ppo.learning_rate is 0.0001 there and 0.0003 here")
    (moved / "config.yaml").unlink()
    require_refused(other, moved, "ppo.learning_rate is 0.0001 there and 0.0003 here")
    (moved / "config.yaml").write_text("- [")
    require_refused(other, moved, "config.yaml cannot be read")


@pytest.mark.parametrize("table", ["iterations.csv", "episodes.csv"])
def test_a_missing_or_short_table_is_told(tmp_path: Path, table: str) -> None:
    settings, folder = half_way(tmp_path)
    text = (folder / table).read_text()
    (folder / table).write_text(text.split("\n")[0][:9])
    with pytest.raises(SettingsError, match=rf"the table .*{table} does not fit its checkpoint"):
        train(settings)
    (folder / table).unlink()
    with pytest.raises(SettingsError, match=rf"the table .*{table} cannot be read"):
        train(settings)
    (folder / table).write_text(text)
    assert train(settings).steps == 128


def test_damaged_checkpoints_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = replace(PPO, runs_folder=str(tmp_path))
    crash(settings, "rollout", 70)
    folder = plan_run(settings).folder
    _, newer = sorted((folder / "checkpoint").glob("*.state"))
    newer.write_bytes(newer.read_bytes()[:-5])
    assert train(settings).steps == 256
    assert f"{newer.name} is damaged: its checksum is wrong; the checkpoint before it is used" in (
        capsys.readouterr().err
    )
    for file in (folder / "checkpoint").glob("*.state"):
        file.write_bytes(b"everlearn checkpoint 2\n" + file.read_bytes())
    longer = replace(settings, total_steps=320)
    require_refused(longer, folder, "has format 2; this everlearn reads format 1; move .* away")


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for point, after in (("checkpoint", 30), ("row", 1)):
        settings = small(tmp_path / point)
        with monkeypatch.context() as patch:
            kill_at(patch.setattr, point, after, no_room)
            with pytest.raises(SettingsError, match="No space left on device"):
                train(settings)
        assert train(settings).steps == 128


@pytest.mark.parametrize("agent", ["ppo", "sac"])
def test_asked_to_stop_a_run_saves_and_goes_on(agent: str, tmp_path: Path, whole: Any) -> None:
    settings = replace(AGENTS[agent], world_backend="native", runs_folder=str(tmp_path))
    for number in (signal.SIGTERM, signal.SIGINT):
        with pytest.MonkeyPatch.context() as patch:
            ask = partial(signal.raise_signal, number)
            kill_at(patch.setattr, "rollout", 30, once(ask))
            with pytest.raises(Stopped) as stopped:
                train(settings)
        assert stopped.value.number == number
        status = read_status(plan_run(settings).folder)
        assert status is not None
        assert status.state == "stopped"
    assert train(settings).steps == 256
    compare_runs(plan_run(settings).folder, whole(agent, "native"))


def test_asked_twice_a_run_stops_at_once(tmp_path: Path) -> None:
    settings = small(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch.setattr, "rollout", 3, partial(signal.raise_signal, signal.SIGINT))
        with pytest.raises(Stopped):
            train(settings)
    assert not (plan_run(settings).folder / "checkpoint").exists()


def test_the_door_answers_signals(capsys: pytest.CaptureFixture[str]) -> None:
    def stop(_: object) -> None:
        raise Stopped(signal.SIGTERM)

    def diverge(_: object) -> None:
        raise Diverged("iteration 3: a reward is not finite")

    assert answer(lambda: None, stop) == 143
    assert answer(lambda: None, diverge) == 1
    told = capsys.readouterr().err
    assert "stopped by SIGTERM: the same command goes on" in told
    assert "error: iteration 3: a reward is not finite" in told


def test_numbers_that_are_not_finite_end_the_run(tmp_path: Path) -> None:
    settings = small(tmp_path)
    real = StreamVecEnv.step_wait
    calls = [0]

    def step_wait(venv: Any) -> Any:
        calls[0] += 1
        observations, rewards, dones, infos = real(venv)
        return observations, rewards * (np.nan if calls[0] > 40 else 1), dones, infos

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamVecEnv, "step_wait", step_wait)
        with pytest.raises(Diverged, match="iteration 3: a reward is not finite"):
            train(settings)
    calls[0] = 0
    assert train(settings).steps == 128

    settings = small(tmp_path / "weights")
    update = PPOAgent.train

    def train_badly(agent: Any) -> None:
        update(agent)
        if agent.num_timesteps == 96:
            agent.policy.action_net.bias.data[1] = np.inf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PPOAgent, "train", train_badly)
        with pytest.raises(Diverged, match=r"iteration 3: the weights action_net\.bias are not"):
            train(settings)
