from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

from everlearn.envs import Stream, make_stream
from everlearn.envs.catalogue import CATALOGUE
from everlearn.scripts.streams import main

SCRIPT = Path(__file__).parents[2] / "scripts" / "streams.py"
ANT = "everlearn/SlipperyAnt-v0:change_every=500"
WIND = {
    "name": "wind",
    "worlds": ["Hopper-v5"],
    "changes": [
        {
            "knob": "wind-x",
            "law": {"kind": "Values", "values": [0.0, 5.0]},
            "schedule": {"kind": "Periodic", "period": 100},
            "transition": {"kind": "SigmoidRamp", "steps": 50},
        }
    ],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_has_a_line_a_stream(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(CATALOGUE)
    assert "friction every 2,000,000 environment steps" in lines[1]
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_stream_is_told_and_drawn(
    name: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert main([name]) == 0
    shown = capsys.readouterr().out
    picture = folder / f"{name.removeprefix('everlearn/')}.png"
    assert shown.endswith(f"picture: {picture.name}\n")
    assert make_stream(name).hash() in shown
    assert matplotlib.image.imread(picture)[..., :3].std() > 0.01


def test_the_table_is_the_streams_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([ANT, "--steps", "1200", "--seed", "4", "--n-envs", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = make_stream(ANT).table(1200, seed=4, n_envs=8)
    for row in table:
        friction = f"{row.context['friction']:.4g}"
        assert [f"{row.step:,}", str(row.segment), friction] in [line.split() for line in lines]
    assert [row.step for row in table] == [0, 504, 1000]


def test_a_long_table_loses_its_middle_unless_all_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([ANT, "--steps", "50_000"]) == 0
    short = capsys.readouterr().out.splitlines()
    assert any("70 left out" in line for line in short)
    assert any(line.split()[:2] == ["49,500", "99"] for line in short)
    assert main([ANT, "--steps", "50_000", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(short) - 1 + 70


def test_a_stream_of_ones_own(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "wind.json").write_text(json.dumps(WIND))
    assert main(["wind.json", "--picture", "a.svg", "--steps", "300"]) == 0
    shown = capsys.readouterr().out
    assert "Values also move within segments" in shown
    assert (folder / "a.svg").read_text().startswith("<?xml")
    assert main(["wind.json", "--steps", "300", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 100


def test_json_can_be_read_back(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main([ANT, "--json"]) == 0
    shown = capsys.readouterr()
    stream = Stream.from_json(shown.out)
    assert stream == make_stream(ANT)
    assert shown.err == f"hash: {stream.hash()}\n"
    (folder / "ant.json").write_text(shown.out)
    assert main(["ant.json", "--json"]) == 0
    assert capsys.readouterr() == shown
    assert [file.name for file in folder.iterdir()] == ["ant.json"]


def test_a_world_that_never_changes_has_no_picture(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "still.json").write_text(json.dumps({"name": "still", "worlds": ["Ant-v5"]}))
    assert main(["still.json"]) == 0
    assert "nothing changes" in capsys.readouterr().out
    assert [file.name for file in folder.iterdir()] == ["still.json"]


def wrong(old: str, new: str) -> str:
    return json.dumps(WIND).replace(old, new)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("everlearn/SlipperyAntt-v0", "did you mean 'everlearn/SlipperyAnt-v0'?"),
        (f"{ANT},lo=1", "did you mean 'low'?"),
        (f"{ANT} --steps 0", "--steps must be 1 or more, not 0"),
        (f"{ANT} --seed -1", "--seed must be 0 or more, not -1"),
        (f"{ANT} --n-envs 0", "--n-envs must be 1 or more, not 0"),
        (f"{ANT} --picture a.pgn", "did you mean '.png'?"),
        (f"{ANT} --picture nowhere/a.png", "cannot write the picture nowhere/a.png"),
        ("missing.json", "cannot read the stream missing.json: No such file"),
        ("wrong.json", "is not JSON"),
        ("knob.json", "unknown knob 'wind-xx': did you mean 'wind-x'?"),
        ("world.json", "unknown world 'Hoper-v5': did you mean 'Hopper-v5'?"),
        ("law.json", "unknown change kind 'Value': did you mean 'Values'?"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    files = {
        "wrong.json": "{",
        "knob.json": wrong("wind-x", "wind-xx"),
        "world.json": wrong("Hopper", "Hoper"),
        "law.json": wrong('"Values"', '"Value"'),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    assert main(arguments.split()) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert {file.name for file in folder.iterdir()} == set(files)


def command_line(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)


def test_the_script_from_the_shell() -> None:
    told = command_line(f"{sys.executable} -W error {SCRIPT} {ANT} --steps 900")
    assert told.returncode == 0, told.stderr
    module = command_line(f"{sys.executable} -m everlearn.scripts.streams {ANT} --steps 900")
    assert module.stdout == told.stdout


def test_readers_may_leave_early() -> None:
    left = command_line(f"{sys.executable} {SCRIPT} {ANT} --steps 4_000_000 --all | head -3")
    assert left.stderr == ""
    assert len(left.stdout.splitlines()) == 3


def test_help_is_quick() -> None:
    code = (
        "import sys\nfrom everlearn.scripts.streams import main\ntry:\n    main(['--help'])\n"
        "except SystemExit:\n    sys.exit(bool({'torch', 'mujoco'} & {*sys.modules}))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "--n-envs" in asked.stdout
