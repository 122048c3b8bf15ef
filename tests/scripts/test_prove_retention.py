from __future__ import annotations

import pytest

from everlearn.scripts.prove_retention import main


def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    small = "--tasks HandlePressSide --demonstrations 1 --updates 3 --episodes 1 --seeds 3"
    assert main(small.split()) == 0
    printed = capsys.readouterr().out
    assert "fine-tuning" in printed
    assert "forgetting" in printed


def test_a_wrong_setting_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--episodes", "0"]) == 2
    assert capsys.readouterr().err == "error: --episodes must be 1 or more, not 0\n"
