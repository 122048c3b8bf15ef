from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from everlearn.evaluation.figures import _CHANGE, context_over_steps, draw_return, smooth
from everlearn.evaluation.records import Record


def make_record(
    episodes: int, changes: int, left_out: int = 0, copies_differ: float = 0.0
) -> Record:
    steps = np.arange(100, 100 * (changes + 1) * 5 + 1, 100)
    segment = steps // 500
    iterations = {
        "iteration": np.arange(len(steps)) + 1,
        "step": steps,
        "stream/segment": segment.astype(float),
        "stream/steps_since_change": (steps % 500).astype(float),
        "stream/friction": 2.0 / (segment + 1),
        "stream/copies_differ": copies_differ,
    }
    landings = np.arange(changes + 1)
    table = {
        "step": landings * 500,
        "segment": landings,
        "left_out": np.where(landings > 0, left_out, 0),
        "context/friction": 2.0 / (landings + 1),
    }
    ends = np.linspace(10, steps[-1], episodes).astype(int)
    ended = {"step": ends, "return": np.sin(ends / 300.0), "length": 10, "segment": ends // 500}
    config = {
        "stream": {"name": "a-stream"}, "agent": "ppo", "methods": [], "seed": 0, "n_envs": 1,
    }  # fmt: skip
    return Record(
        Path(), config, {}, pd.DataFrame(iterations), pd.DataFrame(ended), pd.DataFrame(table)
    )


@pytest.fixture
def panels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Record], list[Axes]]:
    """Draw, and return the panels before they became a picture."""

    def draw(record: Record) -> list[Axes]:
        figures: list[Figure] = []
        monkeypatch.setattr(Figure, "savefig", lambda figure, _: figures.append(figure))
        draw_return(record, tmp_path / "return.png")
        return figures[0].axes

    return draw


def corners(line: Line2D) -> list[list[float]]:
    return np.asarray(line.get_xydata()).T.tolist()


def marks(panel: Axes) -> list[float]:
    steps = [corners(line)[0] for line in panel.lines if line.get_color() == _CHANGE]
    return [ends[0] for ends in steps if ends]


@pytest.mark.parametrize(
    ("episodes", "changes"), [(200, 3), (200, 0), (1, 3), (0, 3), (0, 0), (300, 100)]
)
def test_every_run_has_a_picture(tmp_path: Path, episodes: int, changes: int) -> None:
    draw_return(make_record(episodes, changes), tmp_path / "return.png")
    picture = matplotlib.image.imread(tmp_path / "return.png")
    assert picture.shape[1] == 1400
    assert picture[..., :3].std() > 0.01


def test_each_change_is_marked_in_each_panel(panels: Callable[[Record], list[Axes]]) -> None:
    for panel in panels(make_record(200, 3)):
        assert marks(panel) == [500, 1000, 1500]


@pytest.mark.parametrize(("changes", "left_out"), [(100, 0), (3, 100)])
def test_too_many_changes_are_left_to_the_panel(
    changes: int, left_out: int, panels: Callable[[Record], list[Axes]]
) -> None:
    record = make_record(200, changes, left_out)
    assert record.n_changes == changes * (left_out + 1)
    upper, lower = panels(record)
    assert marks(upper) == marks(lower) == []
    assert len(upper.lines) == 1
    (knob,) = lower.lines
    assert set(corners(knob)[0]) >= set(500 * np.arange(changes + 1))
    # What came between is unknown, and nothing may be drawn there.
    assert knob.get_linestyle() == ("None" if left_out else "-")


def test_copies_that_differ_have_neither_marks_nor_panels(
    panels: Callable[[Record], list[Axes]],
) -> None:
    (panel,) = panels(make_record(200, 3, copies_differ=1.0))
    assert marks(panel) == []
    assert len(panel.lines) == 1
    assert "each copy" in panel.get_xlabel()


def test_a_stream_that_did_not_change_has_its_panel(
    panels: Callable[[Record], list[Axes]],
) -> None:
    upper, lower = panels(make_record(200, 0))
    assert marks(upper) == marks(lower) == []
    assert set(corners(lower.lines[0])[1][:-1]) == {2.0}


def test_a_world_without_a_stream_has_no_lower_panel(
    panels: Callable[[Record], list[Axes]],
) -> None:
    record = make_record(20, 0)
    columns = [name for name in record.iterations if not name.startswith("stream/")]
    bare = Record(
        Path(),
        record.config,
        {},
        record.iterations[columns],
        record.episodes.assign(segment=np.nan),
        pd.DataFrame({"step": [], "segment": [], "left_out": []}),
    )
    (panel,) = panels(bare)
    assert marks(panel) == []


def test_the_mean_does_not_reach_across_a_change() -> None:
    episodes = pd.DataFrame({"step": [1, 2, 3, 4], "return": [0.0, 2.0, 10.0, 20.0]})
    parts = smooth(episodes, pd.Series([0, 0, 1, 1]), window=3)
    assert [part["return"].tolist() for part in parts] == [[0.0, 1.0], [10.0, 15.0]]


def test_a_drifting_knob_is_followed_within_a_segment() -> None:
    iterations = pd.DataFrame({"step": [10, 20, 30], "stream/wind": [0.1, 0.2, 0.7]})
    changes = pd.DataFrame({"step": [0, 25], "context/wind": [0.0, 0.7]})
    points = context_over_steps(iterations, changes)
    assert points == {"wind": [(0, 0.0), (10, 0.1), (20, 0.2), (25, 0.7), (30, 0.7)]}
