from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Main = Callable[[Sequence[str]], int]


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Main, Sequence[str]], str]:
    """Return what enters a script, sees that it refuses and writes nothing, and returns why."""
    monkeypatch.chdir(tmp_path)

    def enter(main: Main, arguments: Sequence[str]) -> str:
        assert main(arguments) == 2
        sentence = capsys.readouterr().err
        assert sentence.startswith("error: ")
        assert sentence.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
        return sentence

    return enter
