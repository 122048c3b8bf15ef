from __future__ import annotations

from pathlib import Path

import pytest

from everlearn.evaluation.probe_figure import draw_probe, smooth


def test_moving_means_are_over_fewer_values_at_the_ends() -> None:
    assert smooth([1.0, 2.0, 6.0, 4.0], window=3).tolist() == [1.5, 3.0, 4.0, 5.0]
    assert smooth([1.0, 3.0], window=9).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("names", [["adam"], ["adam", "l2"], [f"method-{i}" for i in range(7)]])
def test_a_panel_for_each_method(names: list[str], tmp_path: Path) -> None:
    rows = [
        {"methods": name, "seed": seed, "accuracies": [0.5, 0.4 - 0.1 * seed, 0.3]}
        for name in names
        for seed in (0, 1)
    ]
    file = tmp_path / "probe.svg"
    draw_probe(rows, 0.125, file)
    # Texts of an SVG are drawn as shapes, with the text itself in a comment before each.
    drawn = file.read_text()
    for name in names[1:] or names:
        assert f"<!-- {name} -->" in drawn
