from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from everlearn.training.benchmark import learner
from everlearn.training.benchmark.methods import BenchmarkMethods, benchmark_methods
from everlearn.wrappers.errors import SettingsError


def test_every_method_is_compared_with_the_plain_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The process keeps all its cores; torch has one thread, as on the command line.
    before = torch.get_num_threads()
    monkeypatch.setattr(learner, "hold_cores", torch.set_num_threads)
    file = tmp_path / "record.jsonl"
    methods = ("l2:coefficient=1e-4", "weight-norm")
    of_replay = "warm-start"
    rows = benchmark_methods(
        BenchmarkMethods((*methods, of_replay), rounds=1, most_rounds=1, output=file)
    )
    torch.set_num_threads(before)
    head, *written = [json.loads(line) for line in file.read_text().splitlines()]
    assert head["benchmark"] == "methods"
    assert written == json.loads(json.dumps(rows))
    told = {(row["agent"], row["method"]): row for row in rows}
    assert list(told) == [
        *(("ppo", method) for method in ("plain", *methods)),
        *(("sac", method) for method in ("plain", *methods, of_replay)),
    ]
    for (_, method), row in told.items():
        assert row["backend"] == ("reference" if method == "weight-norm" else "eager")
        assert row["lowest_ratio"] <= row["ratio"] <= row["highest_ratio"]
        assert row["microseconds"] > 0
        assert (row["ratio"] == 1) == (method == "plain")
    assert told["sac", methods[0]]["settings"] == {"l2": {"coefficient": 1e-4}}
    assert "weight-norm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"rounds": 0}, "--rounds must be 1 or more, not 0"),
        ({"methods": ("l22",)}, "unknown method 'l22'"),
        ({"methods": ("clear",)}, "clear keeps old tasks, of which there are none here"),
        ({"agents": ("dqn",)}, "unknown agent 'dqn'"),
        ({"backends": ("jax",)}, "unknown backend 'jax'"),
    ],
)
def test_wrong_settings_are_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        BenchmarkMethods(**wrong).run()
