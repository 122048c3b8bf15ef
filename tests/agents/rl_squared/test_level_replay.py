from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from everlearn.agents.rl_squared.level_replay import (
    LevelReplay,
    LevelSampling,
    rank_weights,
    replay_weights,
    staleness_weights,
)
from everlearn.wrappers.errors import SettingsError

SCORES = np.array([0.2, 3.0, 1.0, 3.5])


def test_weights_are_powers_of_ranks() -> None:
    # Ranks 4, 2, 3, 1 and temperature 1/2: 1/16, 1/4, 1/9, 1.
    weights = np.array([1 / 16, 1 / 4, 1 / 9, 1.0])
    np.testing.assert_allclose(rank_weights(SCORES, 0.5), weights / weights.sum())


def test_scores_count_by_their_order_alone() -> None:
    np.testing.assert_array_equal(rank_weights(SCORES, 0.3), rank_weights(SCORES**3, 0.3))


def test_a_low_temperature_chooses_the_highest_score() -> None:
    np.testing.assert_allclose(rank_weights(SCORES, 1e-3), [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rank_weights(SCORES, 1e9), np.full(4, 0.25), atol=1e-8)


def test_the_stalest_level_is_the_likeliest() -> None:
    weights = staleness_weights(np.array([7, 2, 5, 9]), count=10)
    np.testing.assert_allclose(weights, np.array([3, 8, 5, 1]) / 17)
    np.testing.assert_allclose(staleness_weights(np.array([3, 3]), count=3), [0.5, 0.5])


@pytest.mark.parametrize("staleness", [0.0, 0.1, 1.0])
def test_both_are_mixed(staleness: float) -> None:
    last = np.array([7, 2, 5, 9])
    weights = replay_weights(SCORES, last, 10, 0.5, staleness)
    assert weights.sum() == pytest.approx(1)
    parts = (1 - staleness) * rank_weights(SCORES, 0.5), staleness * staleness_weights(last, 10)
    np.testing.assert_allclose(weights, sum(parts))


def shares(replay: LevelReplay, count: int = 2000) -> np.ndarray:
    """Return how often each level is drawn from the state that it is in."""
    state, generator = replay.get_state(), np.random.default_rng(0)
    drawn = []
    for _ in range(count):
        replay.set_state(state)
        drawn.append(replay.draw(generator))
    return np.bincount(drawn, minlength=len(replay.scores)) / count


def test_a_level_that_was_not_seen_is_as_likely_as_the_share_of_those() -> None:
    replay = LevelReplay(4, LevelSampling(temperature=1.0, staleness=0.0))
    replay.tell(2, 0.5)
    # One of four was seen: three quarters go to the others, equally.
    np.testing.assert_allclose(shares(replay), [0.25, 0.25, 0.25, 0.25], atol=0.05)
    replay.tell(0, 1.0)
    np.testing.assert_allclose(shares(replay), [1 / 3, 0.25, 1 / 6, 0.25], atol=0.05)


@pytest.mark.parametrize(("chance", "wanted"), [(1.0, 1.0), (0.0, 0.0), (0.6, 0.6)])
def test_how_likely_a_replay_is_can_be_set(chance: float, wanted: float) -> None:
    replay = LevelReplay(3, LevelSampling(replay_probability=chance))
    replay.tell(1, 0.5)
    assert shares(replay)[1] == pytest.approx(wanted, abs=0.05)


def test_where_none_was_seen_all_are_equally_likely() -> None:
    replay = LevelReplay(4, LevelSampling(replay_probability=1.0))
    np.testing.assert_allclose(shares(replay), np.full(4, 0.25), atol=0.05)


def test_where_all_were_seen_only_replays_are_left() -> None:
    replay = LevelReplay(4, LevelSampling(temperature=0.5, staleness=0.3, replay_probability=0.0))
    for level, score in enumerate(SCORES):
        replay.tell(level, score)
    generator = np.random.default_rng(1)
    for _ in range(5):
        replay.draw(generator)
    wanted = replay.weights()
    assert wanted.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares(replay), wanted, atol=0.05)


def test_a_level_that_is_left_out_grows_stale() -> None:
    replay, generator = LevelReplay(4, LevelSampling(temperature=0.01)), np.random.default_rng(0)
    for level, score in enumerate(SCORES):
        replay.tell(level, score)
    before = replay.weights()[0]
    drawn = [replay.draw(generator) for _ in range(300)]
    assert before < 0.1
    # The highest score gets most, and nobody is forgotten.
    assert np.bincount(drawn).argmax() == 3
    assert min(np.bincount(drawn, minlength=4)) > 0


def test_uniform_asks_for_no_scores() -> None:
    replay = LevelReplay(4, LevelSampling("uniform"))
    replay.tell(1, 100.0)
    np.testing.assert_allclose(shares(replay), np.full(4, 0.25), atol=0.05)
    assert replay.log() == {}


def test_what_is_logged() -> None:
    replay = LevelReplay(4, LevelSampling(temperature=1e9, staleness=0.0))
    assert replay.log() == {}
    replay.tell(0, 1.0)
    replay.tell(3, 2.0)
    log = {"levels/seen": 0.5, "levels/score": 1.5, "levels/effective": 2.0}
    assert replay.log() == pytest.approx(log)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "random"}, "unknown level sampling 'random'"),
        ({"temperature": 0.0}, "'temperature' must be more than 0, not 0.0"),
        ({"staleness": 1.5}, "'staleness' must be from 0 to 1, not 1.5"),
        ({"replay_probability": -1.0}, "'replay_probability' must be from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        LevelSampling(**settings)
