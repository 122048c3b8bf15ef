from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.figures import context_over_steps, draw_return, smooth
from everlearn.evaluation.records import Record, segments_of


def make_record(episodes: int, changes: int, **more: Any) -> Record:
    steps = np.arange(100, 100 * (changes + 1) * 5 + 1, 100)
    segment = steps // 500
    iterations = {
        "iteration": np.arange(len(steps)) + 1,
        "step": steps,
        "stream/segment": segment.astype(float),
        "stream/steps_since_change": (steps % 500).astype(float),
        "stream/friction": 2.0 / (segment + 1),
        **more,
    }
    ends = np.linspace(10, steps[-1], episodes).astype(int)
    table = {"step": ends, "return": np.sin(ends / 300.0), "segment": ends // 500}
    config = {"stream": {"name": "a-stream"}, "agent": "ppo", "methods": [], "seed": 0}
    return Record(Path(), config, {}, pd.DataFrame(iterations), pd.DataFrame(table))


@pytest.mark.parametrize(
    ("episodes", "changes"), [(200, 3), (200, 0), (1, 3), (0, 3), (0, 0), (300, 100)]
)
def test_every_run_has_a_picture(tmp_path: Path, episodes: int, changes: int) -> None:
    draw_return(make_record(episodes, changes), tmp_path / "return.png")
    picture = matplotlib.image.imread(tmp_path / "return.png")
    assert picture.shape[1] == 1400
    assert picture[..., :3].std() > 0.01


def test_a_world_without_a_stream_has_no_lower_panel(tmp_path: Path) -> None:
    record = make_record(20, 0)
    columns = [name for name in record.iterations if not name.startswith("stream/")]
    episodes = record.episodes.assign(segment=np.nan)
    bare = Record(Path(), record.config, {}, record.iterations[columns], episodes)
    draw_return(bare, tmp_path / "bare.png")
    draw_return(record, tmp_path / "full.png")
    heights = [matplotlib.image.imread(tmp_path / f"{n}.png").shape[0] for n in ("bare", "full")]
    assert heights[0] < heights[1]


def test_the_mean_does_not_reach_across_a_change() -> None:
    table = {"step": [1, 2, 3, 4], "return": [0.0, 2.0, 10.0, 20.0], "segment": [0, 0, 1, 1]}
    parts = smooth(pd.DataFrame(table), window=3)
    assert [part["return"].tolist() for part in parts] == [[0.0, 1.0], [10.0, 15.0]]


def test_a_drifting_knob_is_followed_within_a_segment() -> None:
    drift = pd.DataFrame(
        {
            "step": [10, 20, 30],
            "stream/segment": [0.0, 0.0, 1.0],
            "stream/steps_since_change": [10.0, 20.0, 5.0],
            "stream/wind": [0.1, 0.2, 0.7],
        }
    )
    corners = context_over_steps(drift, segments_of(drift))
    assert corners == {"wind": [(0, 0.1), (20, 0.2), (25, 0.7), (30, 0.7)]}
