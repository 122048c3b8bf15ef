from __future__ import annotations

import math
from typing import Any

import pytest

from everlearn.agents.secbad import ContextInference
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize(
    ("settings", "ages", "stretch"),
    [
        ({}, 100, 100),
        ({"labels": False}, 100, 20),
        ({"segment_mean": 20, "segment_deviation": 5}, 30, 30),
        ({"segment_law": "geometric", "segment_mean": 20}, 60, 60),
        ({"n_ages": 70}, 70, 70),
        ({"kind": "window", "window": 7}, 7, 7),
        ({"kind": "varibad", "horizon": 50}, 1, 50),
    ],
)
def test_ages_and_stretches(settings: dict[str, Any], ages: int, stretch: int) -> None:
    found = ContextInference(**settings)
    assert (found.ages, found.stretch, len(found.hazard)) == (ages, stretch, ages)
    assert bool(found.hazard.any()) == (found.kind == "secbad")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "secbed"}, "unknown kind of context inference 'secbed': did you mean 'secbad'"),
        ({"n_ages": 10}, "setting 'n_ages' must be at least segment_mean, not 10"),
        ({"window": 0}, "setting 'window' must be 1 or more, not 0"),
        ({"updates": 0}, "setting 'updates' must be 1 or more, not 0"),
        ({"anneal_updates": 0}, "setting 'anneal_updates' must be 1 or more, not 0"),
        ({"kl_weight": -1.0}, r"setting 'kl_weight' must be 0 or more and finite, not -1\.0"),
        ({"learning_rate": math.nan}, "'learning_rate' must be more than 0 and finite, not nan"),
        ({"segment_mean": 0.0}, r"setting 'segment_mean' must be more than 0 and finite, not 0\.0"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        ContextInference(**settings)
