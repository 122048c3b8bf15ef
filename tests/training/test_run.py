from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from everlearn.training import run
from everlearn.wrappers.errors import SettingsError


def test_the_hash_is_short_and_knows_every_value() -> None:
    base = {"agent": "ppo", "stream": {"name": "a", "changes": [{"every": 500}]}}
    other = {"agent": "ppo", "stream": {"name": "a", "changes": [{"every": 501}]}}
    assert run.config_hash(base) == run.config_hash(dict(reversed(base.items())))
    assert run.config_hash(base) != run.config_hash(other)
    assert len(run.config_hash(base)) == 10


def test_the_hash_is_the_same_in_another_process() -> None:
    code = "from everlearn.training.run import config_hash; print(config_hash({'a': [1.5, None]}))"
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert other.stdout.strip() == run.config_hash({"a": [1.5, None]})


def test_a_folder_for_each_stream_agent_configuration_and_seed() -> None:
    path = run.run_path("runs", "everlearn/SlipperyAnt-v0", "ppo+redo", "0123456789", 3)
    assert path == Path("runs/SlipperyAnt-v0/ppo+redo/0123456789/seed_3")


def test_asking_whether_a_folder_is_writable_leaves_nothing(tmp_path: Path) -> None:
    run.require_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_below_a_file_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cannot write the run folder .*file is not a folder"):
        run.require_writable(tmp_path / "file" / "runs")


def test_where_the_system_refuses_its_reason_is_told() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc, a folder in which not even root can write")
    with pytest.raises(SettingsError, match=r"cannot write the run folder /proc/runs: /proc: \w+"):
        run.require_writable(Path("/proc/runs"))


def test_two_writers_cannot_hold_one_folder(tmp_path: Path) -> None:
    with (
        run.claim(tmp_path / "run"),
        pytest.raises(SettingsError, match="another process is writing the run folder"),
        run.claim(tmp_path / "run"),
    ):
        pass
    with run.claim(tmp_path / "run"):
        pass


def test_clearing_takes_what_a_run_wrote_and_leaves_the_rest(tmp_path: Path) -> None:
    for name in ("config.yaml", "model.zip", "events.out.tfevents.1.host.2.0", "notes.txt"):
        (tmp_path / name).write_text("")
    run.clear(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "status", [run.Status("running", 0, 0), run.Status("failed", 2048, 1, "ValueError: no")]
)
def test_status_is_read_as_written(tmp_path: Path, status: run.Status) -> None:
    run.write_status(tmp_path, status)
    assert run.read_status(tmp_path) == status
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"state": "finished"}'])
def test_a_damaged_status_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / run.STATUS).write_text(text)
    assert run.read_status(tmp_path) is None
    assert run.read_status(tmp_path / "missing") is None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    run.write_json(tmp_path / "f.json", {"a": 1})
    with pytest.raises(TypeError):
        run.write_json(tmp_path / "f.json", {"a": object()})
    assert json.loads((tmp_path / "f.json").read_text()) == {"a": 1}


def test_the_configuration_is_plain_yaml(tmp_path: Path) -> None:
    run.write_config(tmp_path, {"hidden_sizes": (256, 256), "rate": 1e-4})
    text = (tmp_path / run.CONFIG).read_text()
    assert yaml.safe_load(text) == {"hidden_sizes": [256, 256], "rate": 1e-4}


def test_the_stamp_names_versions_and_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train_ppo.py", "--stream", "a b"])
    stamp = json.loads(json.dumps(run.stamp()))
    assert stamp["command"].endswith("train_ppo.py --stream 'a b'")
    assert stamp["packages"]["stable-baselines3"].startswith("2.")
    assert set(stamp) == {"command", "date", "python", "packages", "git", "machine"}


def test_the_stamp_names_our_commit_wherever_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run.stamp()["git"]
    monkeypatch.chdir(tmp_path)
    assert run.stamp()["git"] == here
    monkeypatch.setattr(run, "__file__", str(tmp_path / "training/run.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert run.stamp()["git"] is None
