from __future__ import annotations

from pathlib import Path

import numpy as np

from everlearn.evaluation.context_figures import draw_ages, draw_learning


def test_pictures_are_written(tmp_path: Path) -> None:
    curves = {"secbad": {10: [1.0, 2.0], 20: [3.0]}, "oracle": {10: [2.0]}}
    draw_learning(curves, tmp_path / "new" / "a.png", "length")
    trace = [
        {"belief": np.eye(8)[age - 1], "segment": age, "context": 10.0 if age > 4 else -10.0}
        for age in (1, 2, 3, 4, 5, 6, 1, 2)
    ]
    draw_ages(trace, tmp_path / "b.png")
    for file in (tmp_path / "new" / "a.png", tmp_path / "b.png"):
        assert file.read_bytes().startswith(b"\x89PNG")
