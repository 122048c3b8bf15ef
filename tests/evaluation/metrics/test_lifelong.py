from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.metrics.lifelong import (
    lifelong_metrics,
    performance_recovery,
    recovery_times,
    relative_performance,
    sample_efficiency,
)
from everlearn.evaluation.metrics.lifelong_blocks import (
    Block,
    block_table,
    preprocess,
    read_blocks,
    saturation,
    smooth,
    task_ranges,
    terminal_performance,
)
from everlearn.evaluation.metrics.lifelong_transfer import transfer

DATA = Path(__file__).parents[2] / "data" / "metric_vectors.json"
SCENARIOS: dict[str, Any] = json.loads(DATA.read_text())["l2metrics"]["scenarios"]


def block(kind: Any, task: str, scores: list[float], first: int = 0) -> Block:
    return Block(kind, task, first + np.arange(len(scores)), np.array(scores, dtype=float))


def log_of(scenario: dict[str, Any]) -> pd.DataFrame:
    """The log that l2metrics was given."""
    rows = [
        (number, kind, task, score)
        for number, (kind, tasks) in enumerate(scenario["blocks"])
        for task, scores in tasks
        for score in scores
    ]
    log = pd.DataFrame(rows, columns=["block_num", "block_type", "task_name", "return"])
    return log.assign(exp_num=range(len(log)), exp_status="complete")


def prepared(scenario: dict[str, Any]) -> tuple[list[Block], dict[str, list[np.ndarray]]]:
    options = scenario["options"]
    ranges = options.get("data_range")
    return preprocess(
        read_blocks(log_of(scenario)),
        scenario["ste"] or {},
        smoothing=options["smoothing_method"] == "flat",
        normalization=options["normalization_method"],
        ranges={task: (limits["min"], limits["max"]) for task, limits in ranges.items()}
        if ranges
        else None,
    )


def same(found: Any, expected: Any) -> None:
    """Compare with numbers of which None stands for what cannot be computed."""
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(expected, dtype=float), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_lifetimes_are_l2metrics(name: str) -> None:
    expected = SCENARIOS[name]["expected"]
    found = lifelong_metrics(*prepared(SCENARIOS[name])).lifetime
    assert len(found) == 11
    for metric, (value, n, _) in found.items():
        same(value, expected[metric])
        assert (n == 0) == (expected[metric] is None)


@pytest.mark.parametrize("name", SCENARIOS)
def test_tasks_are_l2metrics(name: str) -> None:
    blocks, experts = prepared(SCENARIOS[name])
    found = lifelong_metrics(blocks, experts)
    ranges = task_ranges(blocks, {})
    expected = SCENARIOS[name]["expected"]["task_metrics"]
    assert set(found.tasks.index) == set(expected)
    for task, values in expected.items():
        for metric in found.tasks:
            same(found.tasks.loc[task, metric], values[metric])
        for form, (forward, backward) in found.transfer.items():
            for direction, pairs in (("forward", forward), ("backward", backward)):
                own = {other: v for (source, other), v in pairs.items() if source == task}
                theirs = values[f"{direction}_transfer_{form}"]
                assert own.keys() == theirs.keys()
                for other in own:
                    same(own[other], theirs[other])
        # l2metrics lists times to recover only where a life has two of them.
        if sum(len(recovery_times(blocks, other)) for other in expected) > 1:
            same(recovery_times(blocks, task), values["recovery_times"])
        same(ranges[task], [values["min"], values["max"]])
        efficiency = sample_efficiency(blocks, task, experts.get(task, ()))
        # l2metrics reads single-task runs in the order of its file system.
        same(sorted(efficiency), sorted(values["sample_efficiency_vals"]))
        for kind, count in (("train", "num_lx"), ("test", "num_ex")):
            sizes = [len(b.scores) for b in blocks if (b.kind, b.task) == (kind, task)]
            assert sum(sizes) == values[count]


@pytest.mark.parametrize("name", SCENARIOS)
def test_blocks_are_l2metrics(name: str) -> None:
    expected = SCENARIOS[name]["expected"]["regimes"]
    found = block_table(prepared(SCENARIOS[name])[0])
    assert [list(row) for row in found[["block_type", "task_name"]].to_numpy()] == [
        row[2:4] for row in expected
    ]
    same(found.iloc[:, 2:], [row[4:] for row in expected])


@pytest.mark.parametrize("name", ["two_tasks_defaults", "negative_returns_task_norm"])
def test_ranges_are_l2metrics(name: str) -> None:
    scenario = SCENARIOS[name]
    expected = scenario["expected"]["normalization_data_range"]
    smoothing = scenario["options"]["smoothing_method"] == "flat"
    raw, experts = preprocess(read_blocks(log_of(scenario)), {}, smoothing, "none")
    found = task_ranges(raw, experts)
    assert found == {task: (limits["min"], limits["max"]) for task, limits in expected.items()}


def test_smoothing_is_l2metrics(vectors: dict[str, Any]) -> None:
    for case in vectors["l2metrics"]["units"]["smooth"]["cases"]:
        same(smooth(case["x"], case["window_len"]), case["expected"])


def test_terminal_performance_is_l2metrics(vectors: dict[str, Any]) -> None:
    for case in vectors["l2metrics"]["units"]["terminal_performance"]["cases"]:
        own = block(case["block_type"], "a", case["x"])
        expected = case["expected"]
        assert terminal_performance(own) == expected["terminal"]
        assert block_table([own])["exp_to_term_perf"].item() == expected["exp_to_terminal"]
        if case["block_type"] == "train" and case["prev_val"] is not None:
            before = block("train", "a", [case["prev_val"]])
            assert recovery_times([before, own], "a") == [expected["exp_to_recovery"]]


def test_saturation_is_l2metrics(vectors: dict[str, Any]) -> None:
    for case in vectors["l2metrics"]["units"]["block_saturation"]["cases"]:
        expected = case["expected"]
        value, experiences = saturation(np.array(case["x"]))
        assert value == pytest.approx(expected["saturation"], rel=1e-12)
        assert experiences == expected["exp_to_saturation"]


def test_of_two_tasks_learned_between_evaluations_l2metrics_credits_the_later(
    vectors: dict[str, Any],
) -> None:
    (observed,) = [
        case["observed"]
        for name, case in vectors["l2metrics"]["traps"].items()
        if name.startswith("two LBs")
    ]
    assert observed == "FT pair a->c lost, b->c = [3.0] (ratio)"
    life = [
        block("test", "c", [2.0]),
        block("train", "a", [1.0]),
        block("train", "b", [1.0]),
        block("test", "c", [6.0]),
    ]
    assert transfer(life) == ({("b", "c"): [3.0]}, {})


def test_incomplete_experiences_and_empty_scores_are_left_out() -> None:
    log = pd.DataFrame(
        {
            "block_num": [0, 0, 0, 1],
            "exp_num": [0, 1, 2, 3],
            "block_type": ["train"] * 4,
            "task_name": ["a_1"] * 4,
            "exp_status": ["complete", "incomplete", "complete", "complete"],
            "return": [1.0, 2.0, np.nan, 4.0],
        }
    )
    blocks = read_blocks(log)
    assert [(b.task, b.scores.tolist()) for b in blocks] == [("a_1", [1.0]), ("a_1", [4.0])]


def test_a_task_of_one_score_is_normalised_to_one() -> None:
    blocks, _ = preprocess([block("test", "a", [3.0, 3.0])], {})
    assert blocks[0].scores.tolist() == [1.0, 1.0]


def test_one_range_for_the_whole_run() -> None:
    life = [block("test", "a", [0.0, 5.0]), block("test", "b", [10.0])]
    blocks, _ = preprocess(life, {}, normalization="run")
    assert [b.scores.tolist() for b in blocks] == [[1.0, 51.0], [101.0]]


def test_experts_can_be_averaged_over_time() -> None:
    learned = np.array([1.0, 2.0, 3.0])
    experts = [np.array([1.0, 1.0]), np.array([3.0, 3.0, 9.0])]
    assert relative_performance(learned, experts) == [1.5, 0.4]
    assert relative_performance(learned, experts, "time") == [0.75]


def test_an_expert_that_got_nothing_is_no_reference() -> None:
    nothing = [np.zeros(3)]
    assert np.isnan(relative_performance(np.ones(3), nothing)).all()
    assert sample_efficiency([block("train", "a", [0.0, 1.0, 2.0])], "a", nothing) == []


def test_one_recovery_has_no_slope() -> None:
    assert np.isnan(performance_recovery([3]))


def test_a_life_without_evaluations_is_measured_as_far_as_it_goes() -> None:
    found = lifelong_metrics([block("train", "a", [1.0, 2.0])])
    measurable = {name for name, measured in found.lifetime.items() if measured.n}
    assert measurable == {"avg_train_perf"}
    assert lifelong_metrics([]).lifetime["forward_transfer_ratio"].n == 0
