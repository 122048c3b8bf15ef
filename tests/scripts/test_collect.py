from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from everlearn.agents import SAC
from everlearn.agents.replay.earlier import read_earlier
from everlearn.agents.replay.sets import Episode, read_metadata, read_set, write_set
from everlearn.scripts.collect import main
from everlearn.scripts.train_sac import main as train_sac
from everlearn.wrappers.errors import SettingsError

minari = pytest.importorskip("minari", reason="minari is an extra: everlearn[offline]")

STREAM = "everlearn/SlipperyAnt-v0:change_every=50"
SPACE = spaces.Box(-2, 2, (1,))
TINY = (
    f"--stream {STREAM} --total-steps 100 --n-envs 2 --iteration-steps 50 --learning-starts 40 "
    "--batch-size 8 --replay-ratio 0.1 --hidden-sizes 8 --buffer-size 80 --evaluate-every 0 "
    "--runs-folder {folder}"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    assert train_sac(TINY.format(folder=folder).split()) == 0
    (run,) = folder.glob("*/sac/*/seed_0")
    return run


def collect(output: Path, *arguments: str) -> Any:
    assert main(["--output", str(output), *arguments]) == 0
    return read_set(output)


def test_minari_opens_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observed = np.arange(8, dtype=np.float32).reshape(4, 2)
    action = np.array([[-2.0], [0.0], [1.0]], np.float32)
    rewards = np.array([1, 2, 3], np.float32)
    episodes = [
        Episode(observed, action, rewards, True, {"context/friction": 0.5}),
        Episode(observed[:2], action[:1], rewards[:1], False),
    ]
    world = spaces.Box(-9, 9, (2,))
    write_set(tmp_path / "tiny-v0", episodes, world, SPACE, {"mean_return": 3.5})
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    found = minari.load_dataset("tiny-v0")
    assert (found.total_episodes, found.total_steps) == (2, 4)
    assert found.observation_space == world
    assert found[0].terminations.tolist() == [False, False, True]
    assert found[1].truncations.tolist() == [True]
    assert np.array_equal(found[0].observations, observed)
    assert np.array_equal(found[0].actions, action)
    ours = read_set(tmp_path / "tiny-v0", world, SPACE)
    assert np.asarray(ours.actions)[:, 0].tolist() == [-1, 0, 0.5, -1]
    assert ours.terminals.tolist() == [False, False, True, False]
    assert ours.ends.tolist() == [False, False, True, True]
    assert np.asarray(ours.next_observations).tolist() == [
        *observed[1:].tolist(),
        observed[1].tolist(),
    ]
    assert read_metadata(tmp_path / "tiny-v0")["mean_return"] == 3.5
    with pytest.raises(SettingsError, match=r"the action space of the set .* not Box\(-1"):
        read_set(tmp_path / "tiny-v0", world, spaces.Box(-1, 1, (3,)))
    with pytest.raises(SettingsError, match="move it away"):
        write_set(tmp_path / "tiny-v0", episodes, world, SPACE, {})


def test_chance_collects_the_same_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--stream", STREAM, "--steps", "120", "--n-envs", "2", "--segment", "1")
    one = collect(tmp_path / "one", *arguments)
    assert "120 steps in" in capsys.readouterr().out
    assert len(one) == 120
    assert one.digest == collect(tmp_path / "two", *arguments).digest
    assert one.digest != collect(tmp_path / "three", *arguments, "--seed", "1").digest
    inside = ~one.ends[:-1]
    assert np.array_equal(one.observations[1:][inside], one.next_observations[:-1][inside])


def test_a_run_collects(trained: Path, tmp_path: Path) -> None:
    arguments = ("--policy", str(trained), "--steps", "60", "--deterministic")
    found = collect(tmp_path / "expert", *arguments)
    agent = SAC.load(trained / "model.zip", device="cpu")
    wanted = agent.predict(found.observations, deterministic=True)[0]
    assert np.allclose(found.actions, wanted, atol=1e-5)
    assert read_metadata(tmp_path / "expert")["stream"]["name"] == "everlearn/SlipperyAnt-v0"
    mixed = collect(tmp_path / "mixed", *arguments, "--random-share", "0.5")
    wanted = agent.predict(mixed.observations, deterministic=True)[0]
    as_meant = np.isclose(mixed.actions, wanted, atol=1e-5).all(axis=1)
    assert 10 < as_meant.sum() < 50


def test_a_replay_buffer_becomes_a_set(trained: Path, tmp_path: Path) -> None:
    found = collect(tmp_path / "replay", "--policy", str(trained), "--what", "replay")
    agent = SAC.load(trained / "model.zip", device="cpu")
    buffer = read_earlier(trained, agent.observation_space, agent.action_space)
    assert len(found) == len(buffer) == 80
    assert np.allclose(found.actions, buffer.actions, atol=1e-6)
    for name in ("observations", "rewards", "next_observations", "terminals", "ends"):
        assert np.array_equal(getattr(found, name), getattr(buffer, name)), name


def test_an_earlier_run_and_a_set_are_all_that_replay_across_experiments_needs(
    trained: Path, tmp_path: Path
) -> None:
    collect(tmp_path / "set", "--stream", STREAM, "--steps", "30")
    for source in (trained, tmp_path / "set"):
        folder = tmp_path / f"runs-{source.name}"
        arguments = [*TINY.format(folder=folder).split(), "--earlier-runs", str(source)]
        arguments += ["--memmap-folder", str(tmp_path)]
        assert train_sac(arguments) == 0
        assert len(list(folder.glob("*/sac/*/seed_0/model.zip"))) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--steps 0", "--steps must be 1 or more, not 0"),
        ("--random-share 2", "--random-share must be from 0 to 1, not 2.0"),
        ("--what replay", "--what replay needs a run folder as --policy, not random"),
        ("", "--stream is needed where --policy is no run folder"),
        (f"--stream {STREAM} --policy no.zip", "there is no agent in no.zip"),
        ("--stream everlearn/SlipperyAnt-v1", "did you mean 'everlearn/SlipperyAnt-v0'?"),
    ],
)
def test_what_cannot_be(
    arguments: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path / "set"), *arguments.split()]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "set").exists()


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = collect(Path("sets/random"), "--stream", STREAM, "--steps", "5")
    assert len(found) == 5
    assert sorted(path.name for path in (tmp_path / "sets").iterdir()) == ["random"]


def test_a_damaged_set_gets_a_sentence(tmp_path: Path) -> None:
    collect(tmp_path / "set", "--stream", STREAM, "--steps", "5")
    (tmp_path / "set" / "data" / "main_data.hdf5").write_bytes(b"nothing")
    with pytest.raises(SettingsError, match=r"the set .* cannot be read"):
        read_set(tmp_path / "set")
    (tmp_path / "set" / "data" / "metadata.json").write_text("{")
    with pytest.raises(SettingsError, match=r"the set .* cannot be read"):
        read_set(tmp_path / "set")


def test_a_set_larger_than_memory(tmp_path: Path) -> None:
    action = spaces.Box(-1, 1, (1,))
    episodes = [
        Episode(np.full((n + 1, 100), n, np.float32), np.zeros((n, 1)), np.ones(n), False)
        for n in range(1, 120)
    ]
    write_set(tmp_path / "set", episodes, spaces.Box(0, 120, (100,)), action, {})
    in_memory = read_set(tmp_path / "set")
    tracemalloc.start()
    mapped = read_set(tmp_path / "set", memmap_folder=tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mapped.digest == in_memory.digest
    assert in_memory.observations.nbytes > 2.8e6  # type: ignore[union-attr]
    assert peak < 1e6
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_metadata_is_json(tmp_path: Path) -> None:
    collect(tmp_path / "set", "--stream", STREAM, "--steps", "5")
    data = json.loads((tmp_path / "set" / "data" / "metadata.json").read_text())
    assert data["what"] == "policy"
    assert data["stamp"]["packages"]["torch"]
