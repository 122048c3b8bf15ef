from __future__ import annotations

from typing import Any

import pytest

from everlearn.envs import Stream
from everlearn.training.stream_words import changes_in_words, in_words, law_in_words
from everlearn.wrappers.change import Change
from everlearn.wrappers.lengths import ClippedNormalLength
from everlearn.wrappers.schedules import At, Periodic, Piecewise
from everlearn.wrappers.transitions import SigmoidRamp
from everlearn.wrappers.values import Categorical, Clipped, Uniform


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (At(()), "at"),
        (At((5, 1000)), "at (5, 1,000)"),
        (Categorical((-1.0, 1.0)), "categorical (-1, 1)"),
        (
            Clipped(Uniform(0.0, 9.0), 1.0, 2.0),
            "clipped (law uniform (low 0, high 9), low 1, high 2)",
        ),
    ],
)
def test_laws_in_words(thing: Any, words: str) -> None:
    assert in_words(thing) == words


def test_knobs_with_one_rhythm_are_named_together() -> None:
    law = Uniform(0.5, 2.0)
    lengths = Piecewise(ClippedNormalLength(60, 20, 10))
    changes = (
        Change("friction-scale", law, Periodic(2000)),
        Change("mass-scale", law, Periodic(2000)),
        Change("gravity-scale", law, lengths, clock="episode"),
        Change("wind-x", law, Periodic(1), clock="episodes"),
        Change("wind-y", law, At((7,))),
    )
    assert changes_in_words(Stream("s", ("Ant-v5",), changes)) == (
        "friction-scale, mass-scale every 2,000 environment steps; "
        "gravity-scale about every 60 steps of the episode; wind-x every episode; "
        "wind-y at (7) in environment steps"
    )


def test_what_is_not_at_its_default_is_told() -> None:
    change = Change(
        "wind-x", Uniform(0.0, 1.0), Periodic(9), SigmoidRamp(5), 0.1, scope="independent",
        landing="next-reset",
    )  # fmt: skip
    assert law_in_words(change) == (
        "uniform (low 0, high 1), by a sigmoid-ramp (5), noise 0.1, independent copies, "
        "landing next-reset"
    )
