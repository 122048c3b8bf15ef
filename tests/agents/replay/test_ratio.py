from __future__ import annotations

import math

import pytest

from everlearn.agents.replay.ratio import ReplayRatio
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize("value", [0, 0.1, 0.3, 1, 2.5, 8])
@pytest.mark.parametrize("n_envs", [1, 2, 3])
def test_realised_is_asked_within_one_update_at_every_moment(value: float, n_envs: int) -> None:
    ratio, made = ReplayRatio(value), 0
    for step in range(1, 1001):
        made += ratio(n_envs)
        assert math.floor(round(value * n_envs * step, 6)) == made


def test_a_new_value_holds_from_then_on() -> None:
    ratio = ReplayRatio(0.5)
    assert sum(ratio(1) for _ in range(11)) == 5
    ratio.value = 2
    assert sum(ratio(1) for _ in range(10)) == 20
    ratio.value = 0
    assert sum(ratio(1) for _ in range(10)) == 0


def test_it_goes_on_from_its_state() -> None:
    one, other = ReplayRatio(0.7), ReplayRatio(3)
    for _ in range(13):
        one(1)
    other.load_state_dict(one.state_dict())
    assert [one(1) for _ in range(30)] == [other(1) for _ in range(30)]


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_wrong_values(value: float) -> None:
    with pytest.raises(SettingsError, match="replay_ratio must be 0 or more"):
        ReplayRatio(value)
