from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.curves import segment_ends
from everlearn.evaluation.metrics.forgetting import cora_scale
from everlearn.evaluation.metrics.transfer import (
    continual_world_forward_transfer,
    coom_forward_transfer,
    cora_zero_shot_transfer,
    forward_transfer,
    segment_areas,
)


def test_as_continual_world_computes_it(vectors: dict[str, Any], continual_world: Any) -> None:
    data, expected = vectors["continual_world"]["input"], vectors["continual_world"]["expected"]
    areas = np.array(
        [segment_areas(curves, continual_world.segments) for curves in continual_world.curves]
    )
    alone = data["baseline[task/seed][eval]"]
    reference = [[np.mean(alone[f"{task}/{seed}"]) for task in "abc"] for seed in (0, 1)]
    np.testing.assert_allclose(
        areas.mean(axis=0), expected["auc_cl_per_task(mean over seeds)"], rtol=1e-12
    )
    np.testing.assert_allclose(np.mean(reference, axis=0), expected["auc_baseline_per_task"])
    per_task = forward_transfer(areas.mean(axis=0), np.mean(reference, axis=0))
    np.testing.assert_allclose(per_task, expected["ft_per_task(column normalized_ft)"], rtol=1e-12)
    total = continual_world_forward_transfer(areas, reference)
    assert total.value == pytest.approx(expected["total_normalized_ft"], rel=1e-12)
    assert (total.n, total.of) == (3, 3)
    unnormalized = (areas.mean(axis=0) - np.mean(reference, axis=0)).mean()
    assert unnormalized == pytest.approx(expected["total_ft_unnormalized"], rel=1e-12)


def test_as_coom_computes_it(vectors: dict[str, Any]) -> None:
    data, expected = vectors["coom"]["input"], vectors["coom"]["expected"]
    seeds = [
        coom_forward_transfer(curve, data["baseline[iter]"])
        for curve in data["transfer_data[seed][iter]"]
    ]
    assert np.mean(seeds) == pytest.approx(expected["forward_transfer"], rel=1e-12)
    # Their interval is 1.96 population standard deviations over the root of n.
    half = 1.96 * np.std(seeds) / np.sqrt(len(seeds))
    assert half == pytest.approx(expected["forward_transfer_ci95"], rel=1e-9)


def test_as_cora_computes_it(vectors: dict[str, Any], cora: Any) -> None:
    tasks = vectors["cora"]["expected"]["per_task"]
    scale = cora_scale(cora.curves)
    found = []
    for curves in cora.curves:
        scaled = curves / scale
        ends = segment_ends(scaled, cora.segments, closing=1, strict=True)
        found.append(cora_zero_shot_transfer(ends, scaled, cora.segments))
    checked = 0
    for task, expected in tasks.items():
        cells = expected["zero_shot_transfer[prior_task] = list over runs"]
        for segment, runs in cells.items():
            values = [table.loc[int(segment), task] for table in found]
            np.testing.assert_allclose(values, runs, rtol=1e-9)
            checked += 1
    assert checked == int(found[0].notna().sum().sum()) == 1


def test_a_reference_that_leaves_no_room_is_not_divided_by() -> None:
    measured = continual_world_forward_transfer([[0.5, 1.0]], [[0.0, 0.995]])
    assert measured == (0.5, 1, 2)


def test_each_time_a_task_comes_it_is_compared_with_learning_from_scratch() -> None:
    segments = pd.DataFrame(
        {"segment": [0, 1], "start": [0, 100], "end": [100, 200], "task": ["a", "a"]}
    )
    curves = pd.DataFrame({"a": [0.2, 0.8]}, index=[100, 200])
    areas = segment_areas(curves, segments)
    np.testing.assert_allclose(forward_transfer(areas, 0.5), [-0.6, 0.6])
