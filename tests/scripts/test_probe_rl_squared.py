from __future__ import annotations

import json
from pathlib import Path

import pytest

from everlearn.scripts.probe_rl_squared import main

TINY = ["--seeds", "1", "--steps", "1024", "--evaluations", "1", "--held-out", "2"]
STREAM = ["--stream", "everlearn/CartPoleForces-v0:horizon=15"]


def test_a_tiny_experiment_is_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "r.jsonl"
    own = [*TINY, *STREAM, "--output", str(record)]
    assert main([*own, "--arms", "memoryless"]) == 0
    head, *rows = map(json.loads, record.read_text().splitlines())
    assert head["experiment"] == "rl-squared"
    assert [row["arm"] for row in rows] == ["memoryless"]
    assert rows[0]["steps"] == [0, 1024]
    assert [len(returns) for returns in rows[0]["returns"]] == [3, 3]
    assert "episode 3" in capsys.readouterr().out

    # It is there already.
    assert main([*own, "--arms", "memoryless"]) == 0
    assert [*map(json.loads, record.read_text().splitlines())][1:] == rows
    assert main([*own, "--held-out", "3"]) == 2
    assert "holds other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (["--steps", "0"], "--steps must be 1 or more, not 0"),
        (["--arms", "uniforms"], "unknown arm 'uniforms': did you mean 'uniform'?"),
        (["--stream", "everlearn/SwitchingBandit-v0"], "has too few contexts for --held-out 2"),
    ],
)
def test_wrong_settings(own: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *own]) == 2
    assert sentence in capsys.readouterr().err
