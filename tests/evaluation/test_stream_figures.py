from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from everlearn.evaluation.stream_figures import Track, draw_stream


def stairs(values: list[float], names: tuple[str, ...] = ()) -> Track:
    points = [(100 * i, i, value) for i, value in enumerate(values)]
    return Track("knob", points, 100 * len(values), "environment steps", names)


DRIFT = Track("drift", [(i, i, float(np.sin(i / 9))) for i in range(300)], 300, "episodes")
RAMP = Track("ramp", [(i, i // 50, i % 50 / 50) for i in range(300)], 300, "episodes")


@pytest.fixture
def figure(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved."""
    saved: list[Figure] = []
    savefig = Figure.savefig

    def keep(self: Figure, *arguments: object, **settings: object) -> None:
        saved.append(self)
        savefig(self, *arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


@pytest.mark.parametrize(
    "tracks",
    [
        [stairs([1.0, 0.1, 0.02])],
        [stairs([0.0])],
        [stairs([0.0, 1.0, 0.0], ("walk", "run"))],
        [stairs([float(i % 20) for i in range(100)], tuple(f"task {i}" for i in range(20)))],
        [DRIFT, RAMP, stairs([-1.0, 1.0])],
    ],
)
def test_every_stream_has_a_picture(tracks: list[Track], tmp_path: Path) -> None:
    draw_stream("a stream", tracks, tmp_path / "stream.png")
    picture = matplotlib.image.imread(tmp_path / "stream.png")
    assert picture.shape[1] == 1400
    assert picture[..., :3].std() > 0.01


def test_each_knob_has_a_panel_with_its_own_changes(figure: list[Figure], tmp_path: Path) -> None:
    draw_stream("a stream", [stairs([1.0, 2.0, 3.0]), RAMP, DRIFT], tmp_path / "stream.png")
    panels = figure[0].axes
    assert [panel.get_title("left") for panel in panels] == ["knob", "ramp", "drift"]
    dashed = [sum(line.get_linestyle() == "--" for line in panel.lines) for panel in panels]
    assert dashed == [2, 5, 0]
    # What counts something else has an axis of its own.
    assert [panel.get_xlabel() for panel in panels] == ["environment steps", "", "episodes"]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([2.0, 0.02, 0.1], "log"),
        ([2.0, 0.5, 1.0], "linear"),
        ([0.1, 2.0, 1.5, 1.0], "linear"),
        ([0.0, 100.0], "linear"),
        ([-1.0, 100.0], "linear"),
    ],
)
def test_values_over_decades_have_a_logarithmic_axis(
    values: list[float], scale: str, figure: list[Figure], tmp_path: Path
) -> None:
    draw_stream("a stream", [stairs(values)], tmp_path / "stream.png")
    assert figure[0].axes[0].get_yscale() == scale


def test_tasks_have_names_and_one_color_each(figure: list[Figure], tmp_path: Path) -> None:
    track = stairs([0.0, 1.0, 2.0], ("walk", "run", "walk"))
    draw_stream("a stream", [track], tmp_path / "stream.png")
    panel = figure[0].axes[0]
    assert [text.get_text() for text in panel.texts] == ["walk", "run", "walk"]
    first, second, third = (band.get_facecolor() for band in panel.patches)
    assert first == third != second


def test_bands_too_slim_for_names_have_a_legend(figure: list[Figure], tmp_path: Path) -> None:
    draw_stream("s", [stairs([0.0, 1.0] * 60, ("walk", "run"))], tmp_path / "stream.png")
    legend = figure[0].axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["walk", "run"]
