from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from everlearn.training.benchmark import learner
from everlearn.training.benchmark.optimizers import (
    ADAM,
    BenchmarkOptimizers,
    benchmark_optimizers,
    make_parameters,
)
from everlearn.wrappers.errors import SettingsError


def test_every_optimizer_is_compared_with_torchs_adam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(learner, "hold_cores", torch.set_num_threads)
    file = tmp_path / "record.jsonl"
    methods = ("upgd", "cautious")
    rows = benchmark_optimizers(
        BenchmarkOptimizers(methods, widths=(4, 8), rounds=1, most_rounds=1, output=file)
    )
    torch.set_num_threads(before)
    head, *written = [json.loads(line) for line in file.read_text().splitlines()]
    assert head["benchmark"] == "optimizers"
    assert written == json.loads(json.dumps(rows))
    expected = [(width, method) for width in (4, 8) for method in (ADAM, *methods)]
    assert [(row["width"], row["method"]) for row in rows] == expected
    for row in rows:
        assert row["microseconds"] > 0
        assert row["lowest_ratio"] <= row["ratio"] <= row["highest_ratio"]
        assert (row["ratio"] == 1) == (row["method"] == ADAM)
    assert "2 critics, 2 x 8: 546 parameters" in capsys.readouterr().out


def test_everybody_has_the_same_parameters_and_gradients() -> None:
    for one, other in zip(make_parameters(4), make_parameters(4), strict=True):
        assert torch.equal(one, other)
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"rounds": 0}, "--rounds must be 1 or more, not 0"),
        ({"widths": (64, 0)}, "--widths must be 1 or more each, not"),
        ({"methods": ("l2",)}, "the method 'l2' brings no optimizer"),
    ],
)
def test_wrong_settings_are_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        BenchmarkOptimizers(**wrong).run()
