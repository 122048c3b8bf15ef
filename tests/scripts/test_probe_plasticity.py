from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from everlearn.scripts.probe_plasticity import main

SMALL = ["--tasks=3", "--updates=3", "--examples=8", "--batch-size=4", "--hidden-sizes=6"]


def test_it_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "record.jsonl"
    assert main(["--methods", "adam", "l2", *SMALL, "--output", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "adam" in printed
    assert "last/first" in printed
    assert len(file.read_text().splitlines()) == 1 + 2 * 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--methods l2-inti", "unknown method 'l2-inti': did you mean 'l2-init'?"),
        ("--tasks 0", "--tasks must be 1 or more, not 0"),
    ],
)
def test_wrong_settings_are_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_a_record_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    output = str(tmp_path / "file" / "record.jsonl")
    assert main(["--methods", "adam", *SMALL, "--output", output]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: cannot write")


def test_help_is_quick() -> None:
    code = (
        "import sys\nfrom everlearn.scripts.probe_plasticity import main\ntry:\n"
        "    main(['--help'])\nexcept SystemExit:\n    sys.exit('torch' in sys.modules)"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "--learning-rate" in asked.stdout
