from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everlearn.evaluation.records import Record
from everlearn.evaluation.run_adaptation import run_adaptation


def with_returns(record: Record, returns: Any) -> Record:
    """The run with returns that are a function of an episode's last step."""
    episodes = record.episodes.assign(**{"return": returns(record.episodes["step"].to_numpy())})
    return replace(record, episodes=episodes)


def test_a_run_that_falls_and_comes_back(make_run: Any) -> None:
    # 100 before the change at 1000; after it 0 up to step 1500, then 100 again.
    def returns(steps: np.ndarray) -> np.ndarray:
        return np.where((steps > 1000) & (steps <= 1500), 0.0, 100.0)

    record = with_returns(make_run([1.0, 2.0]), returns)
    row = run_adaptation(record, window=1).iloc[0]
    assert row[["segment", "task", "reference"]].tolist() == [1, "wind=2", 100.0]
    assert row["recovered"]
    # Episodes of two copies end every 60 steps; the first after 1500 ends at 1560 - 60 = 1500 + 60.
    assert row["time_to_recover"] == 560.0
    assert row["drop_depth"] == 100.0
    assert row["steady_state_gap"] == 0.0
    lived = record.episodes[record.episode_segments() == 1]
    assert row["episodes"] == len(lived)
    assert row["area_lost"] == pytest.approx(np.mean(lived["return"] == 0.0))


def test_a_run_that_never_comes_back_was_watched_to_its_end(make_run: Any) -> None:
    record = with_returns(make_run([1.0, 2.0]), lambda steps: np.where(steps > 1000, 10.0, 100.0))
    row = run_adaptation(record).iloc[0]
    assert not row["recovered"]
    assert row["time_to_recover"] == record.episodes["step"].max() - 1000
    assert row["area_lost"] == pytest.approx(0.9)


def test_a_reference_of_the_task_takes_the_place_of_the_level_before(make_run: Any) -> None:
    record = with_returns(make_run([1.0, 2.0, 1.0]), lambda steps: np.full(len(steps), 80.0))
    table = run_adaptation(record, references={"wind=2": 100.0})
    assert table["reference"].tolist() == [100.0, 80.0]
    assert table["recovered"].tolist() == [False, True]
    assert table["area_lost"].tolist() == [pytest.approx(0.2), 0.0]


def test_returns_below_zero_need_a_floor(make_run: Any) -> None:
    record = with_returns(make_run([1.0, 2.0]), lambda steps: np.where(steps > 1500, -50.0, -100.0))
    row = run_adaptation(record, references={"wind=2": -50.0}).iloc[0]
    assert np.isnan([row["time_to_recover"], row["area_lost"]]).all()
    floors = {"wind=2": -150.0}
    row = run_adaptation(record, {"wind=2": -50.0}, floors, window=1).iloc[0]
    assert row["recovered"]
    assert row["time_to_recover"] == 560.0
    assert 0.2 < row["area_lost"] < 0.3


def test_segments_without_episodes_are_nan(make_run: Any) -> None:
    record = make_run([1.0, 2.0, 1.0])
    early = record.episodes[record.episodes["step"] <= 1000]
    table = run_adaptation(replace(record, episodes=early))
    assert table["episodes"].tolist() == [0, 0]
    numbers = ["time_to_recover", "area_lost", "drop_depth", "steady_state_gap"]
    assert table[numbers].isna().all().all()
    # Of the segment before the last, nothing is known either.
    assert pd.isna(table["reference"].iloc[1])


def test_copies_that_differ_have_no_changes_in_common(make_run: Any) -> None:
    record = make_run([1.0, 2.0])
    differ = record.iterations.assign(**{"stream/copies_differ": 1.0})
    assert run_adaptation(replace(record, iterations=differ)).empty
