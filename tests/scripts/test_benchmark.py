from __future__ import annotations

import subprocess
import sys

import pytest

from everlearn.scripts.benchmark import COMMANDS, main
from everlearn.training.benchmark.worlds import BenchmarkWorlds


def test_the_command_line_reaches_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BenchmarkWorlds] = []
    monkeypatch.setattr(BenchmarkWorlds, "run", lambda self: seen.append(self))
    assert main(["worlds", "--rounds", "5", "--worlds", "Ant-v5", "Hopper-v5"]) == 0
    assert seen == [BenchmarkWorlds(rounds=5, worlds=("Ant-v5", "Hopper-v5"))]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("worlds --worlds Antt-v5", "unknown native world 'Antt-v5': did you mean 'Ant-v5'?"),
        ("worlds --rounds 0", "--rounds must be 1 or more, not 0"),
        ("worlds --most-rounds 0", "--most-rounds must be 1 or more, not 0"),
    ],
)
def test_wrong_settings_are_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


@pytest.mark.parametrize("arguments", ["", "wolrds"])
def test_a_command_is_needed(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments.split())
    assert left.value.code == 2
    assert "worlds" in capsys.readouterr().err


def test_another_command_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BenchmarkWorlds] = []
    monkeypatch.setitem(COMMANDS, "learner", BenchmarkWorlds)
    monkeypatch.setattr(BenchmarkWorlds, "run", lambda self: seen.append(self))
    assert main(["learner", "--rounds", "3"]) == 0
    assert seen[0].rounds == 3


def test_help_is_quick() -> None:
    code = (
        "import sys\nfrom everlearn.scripts.benchmark import main\ntry:\n"
        "    main(['worlds', '--help'])\nexcept SystemExit:\n"
        "    sys.exit(bool({'torch', 'mujoco', 'envpool'} & {*sys.modules}))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "--most-rounds" in asked.stdout
