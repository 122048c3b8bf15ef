from __future__ import annotations

import numpy as np
import pandas as pd

from everlearn.evaluation.metrics.curves import (
    evaluation_curves,
    in_segments,
    initial_scores,
    own_cells,
    segment_ends,
    segment_means,
)

SEGMENTS = pd.DataFrame(
    {"segment": [0, 1, 3], "start": [0, 100, 300], "end": [100, 200, 400], "task": ["a", "b", "a"]}
)


def curves(steps: list[int], **scores: list[float]) -> pd.DataFrame:
    return pd.DataFrame(scores, index=steps)


def test_an_evaluation_at_the_end_belongs_to_the_segment_that_ends() -> None:
    table = curves([0, 100, 101, 200, 250, 300, 350, 400, 401], a=[0.0] * 9)
    assert in_segments(table, SEGMENTS).tolist() == [-1, 0, 1, 1, -1, -1, 2, 2, -1]
    assert in_segments(table, SEGMENTS, strict=True).tolist() == [-1, -1, 1, -1, -1, -1, 2, -1, -1]


def test_no_segments_hold_nothing() -> None:
    table = curves([0, 100], a=[0.0, 1.0])
    assert in_segments(table, SEGMENTS.iloc[:0]).tolist() == [-1, -1]
    assert segment_ends(table, SEGMENTS.iloc[:0]).shape == (0, 1)


def test_the_end_is_the_last_evaluation_of_the_closing_tenth() -> None:
    table = curves([50, 92, 98, 150, 390], a=[0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_array_equal(segment_ends(table, SEGMENTS)["a"], [0.3, np.nan, 0.5])
    np.testing.assert_array_equal(segment_ends(table, SEGMENTS, closing=1)["a"], [0.3, 0.4, 0.5])
    np.testing.assert_allclose(segment_ends(table, SEGMENTS, last=2)["a"], [0.25, np.nan, 0.5])


def test_tasks_that_are_not_always_evaluated_keep_their_own_last() -> None:
    table = curves([94, 96, 98], a=[0.1, np.nan, 0.3], b=[0.5, 0.7, np.nan])
    ends = segment_ends(table, SEGMENTS)
    assert ends.loc[0].tolist() == [0.3, 0.7]


def test_means_are_over_the_whole_segment() -> None:
    table = curves([0, 40, 100, 200], a=[9.0, 0.2, 0.4, 1.0])
    np.testing.assert_allclose(segment_means(table, SEGMENTS)["a"], [0.3, 1.0, np.nan])


def test_episodes_of_an_evaluation_are_averaged() -> None:
    evaluations = pd.DataFrame(
        {
            "step": [100, 0, 0, 0],
            "task": ["b", "b", "a", "b"],
            "return": [5.0, 1.0, 7.0, 3.0],
            "success": [np.nan] * 4,
        }
    )
    table = evaluation_curves(evaluations)
    assert table.index.tolist() == [0, 100]
    assert table.columns.tolist() == ["b", "a"]
    assert table["b"].tolist() == [2.0, 5.0]
    np.testing.assert_array_equal(table["a"], [7.0, np.nan])
    assert evaluation_curves(evaluations, "success").isna().all().all()


def test_before_training_is_the_newest_evaluation_up_to_the_first_start() -> None:
    assert initial_scores(curves([0, 50], a=[0.5, 1.0]), SEGMENTS)["a"] == 0.5
    assert np.isnan(initial_scores(curves([50], a=[1.0]), SEGMENTS)["a"])


def test_a_task_that_comes_again_has_a_key_each_time() -> None:
    ends = pd.DataFrame({"a": [0.1, 0.2, 0.3]}, index=[0, 1, 3])
    cells = own_cells(ends, SEGMENTS)
    assert list(cells.index) == [(0, "a"), (1, "b"), (3, "a")]
    np.testing.assert_array_equal(cells, [0.1, np.nan, 0.3])
