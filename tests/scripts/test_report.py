from __future__ import annotations

from pathlib import Path

import pytest

from everlearn.scripts.report import main


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        ((), "there is no folder"),
        (("empty/",), "holds no run"),
        (("config.yaml",), "no run can be reported"),
    ],
)
def test_what_is_no_run_gets_a_sentence(
    make: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    for name in make:
        (runs / name).parent.mkdir(parents=True, exist_ok=True)
        (runs / name).mkdir() if name.endswith("/") else (runs / name).write_text("")
    output = tmp_path / "report"
    assert main([str(runs), "--output", str(output)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_nothing_to_report_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "report on what?" in capsys.readouterr().err
