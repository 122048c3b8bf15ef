from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import pytest

from everlearn.evaluation.reference_returns import TABLE, find_reference
from everlearn.training.random_returns import REFERENCES, MeasureRandomReturns, base_worlds

ROWS = json.loads(TABLE.read_text())


def test_every_base_world_has_a_row() -> None:
    worlds = [(world, dict(settings)) for world, settings in base_worlds()]
    assert [(row["world"], row["settings"]) for row in ROWS] == worlds
    assert set(REFERENCES) <= {world for world, _ in worlds}


def test_only_some_can_be_measured(tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    for only in ("CartPole-v1", "Acrobot"):
        MeasureRandomReturns(episodes=2, only=only, output=table).run()
    worlds = [row["world"] for row in json.loads(table.read_text())]
    assert [*dict.fromkeys(worlds)] == ["CartPole-v1", "Acrobot-v1"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["world"])
def test_rows_make_sense(row: dict) -> None:
    assert row["random"]["episodes"] >= 30
    reference = row["reference"]
    if reference is not None:
        assert (reference["value"], reference["source"]) == REFERENCES[row["world"]]
        assert reference["value"] > row["random"]["mean"] + 3 * row["random"]["standard_error"]


@pytest.mark.parametrize(
    "world", [world for world, (_, source) in REFERENCES.items() if "gymnasium" in source]
)
def test_thresholds_are_gymnasiums(world: str) -> None:
    assert gymnasium.spec(world).reward_threshold == REFERENCES[world][0]


def test_random_returns_can_be_measured_again() -> None:
    row = MeasureRandomReturns(episodes=200)._measure("CartPole-v1", {})
    known = next(row for row in ROWS if row["world"] == "CartPole-v1")["random"]
    error = (row["random"]["standard_error"] ** 2 + known["standard_error"] ** 2) ** 0.5
    assert abs(row["random"]["mean"] - known["mean"]) < 5 * error


def test_scores_are_between_random_and_reference() -> None:
    reference = find_reference("CartPole-v1")
    assert reference is not None
    assert reference.normalize(reference.random) == 0
    assert reference.normalize(475.0) == 1
    assert reference.normalize(-1000.0) < 0


@pytest.mark.parametrize(
    ("world", "settings", "knobs"),
    [
        ("Nowhere-v0", {}, ()),
        ("CartPole-v1", {"sutton_barto_reward": True}, ()),
        ("CartPole-v1", {}, ("reward-scale",)),
        ("Ant-v5", {}, ("friction", "goal-x")),
    ],
)
def test_what_is_not_known_is_none(world: str, settings: dict, knobs: tuple) -> None:
    assert find_reference(world, settings, knobs) is None
