"""What old experience is good for: see `effects.py`, and the record of what it came to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from effects import (  # type: ignore[import-not-found]
    EXPERIMENTS,
    offline_to_online,
    one_set_after_another,
    two_contexts,
)

RECORD = Path(__file__).parents[2] / "runs" / "records" / "old_experience.jsonl"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_balance_model_is_greedier_where_greed_is_right(seed: int) -> None:
    careful, greedy = two_contexts(seed)["coefficients"]
    # Three seeds were 0.5, 0.7 and 0.8 apart.
    assert greedy > careful + 0.2


@pytest.mark.slow
def test_cloning_memories_forgets_less_than_none() -> None:
    cloned, alone = (one_set_after_another(0, arm) for arm in ("er", "sequential"))
    assert cloned["bwt"] > alone["bwt"] + 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_set_learned_first_saves_steps_in_the_world(seed: int) -> None:
    # Of three seeds -85 to -88 after 2,000 steps; alone -915 to -1068.
    assert offline_to_online(seed, keep=True, steps=2000)["returns"][1] > -300


def test_the_record_is_of_these_experiments() -> None:
    rows = [json.loads(line) for line in RECORD.read_text().splitlines()]
    names = {row["experiment"] for row in rows}
    assert names <= EXPERIMENTS.keys()
    for name in names:
        seeds = [row["seed"] for row in rows if row["experiment"] == name]
        assert len(set(seeds)) == len(seeds) >= 3, name
