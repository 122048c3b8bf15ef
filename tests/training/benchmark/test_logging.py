from __future__ import annotations

import json
from pathlib import Path

import pytest

from everlearn.training.benchmark.logging import BenchmarkLogging


@pytest.mark.slow
def test_the_cost_of_logging_is_told(tmp_path: Path) -> None:
    output = tmp_path / "record.jsonl"
    BenchmarkLogging(
        streams=("everlearn/LifelongCartPole-v0",), iterations=2, chunk=1, backend="eager",
        output=output,
    ).run()  # fmt: skip
    head, *rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert head["benchmark"] == "logging"
    assert [row["what"] for row in rows] == ["nothing", "logging", "and diagnostics"]
    assert rows[0]["share"] == 0
    assert all(row["milliseconds"] > 0 and row["turns"] == 2 for row in rows)
