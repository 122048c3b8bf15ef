"""Holds the diagnostics to stored values; see `_provenance` in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from everlearn.agents.diagnostics.ranks import (
    approximate_rank,
    effective_rank,
    srank,
    stable_rank,
)
from everlearn.agents.diagnostics.units import (
    active_fraction,
    active_units,
    dead_fraction,
    dormant_fraction,
)

FILE = Path(__file__).parents[2] / "data" / "metric_vectors.json"
CASE: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["plasticity"]


def test_units() -> None:
    expected = CASE["expected"]
    features = torch.tensor(CASE["activations[batch][unit]"], dtype=torch.float64)
    for threshold in (0.0, 0.025, 0.1):
        found = dormant_fraction(features, threshold)
        assert found == expected[f"dormant_fraction_tau{threshold:g}"]
    scores = expected["unit_score(ReDo)"]
    for score in scores:
        # A unit is dormant from its own score on.
        below = sum(other < score * (1 - 1e-9) for other in scores) / len(scores)
        up_to = sum(other <= score * (1 + 1e-9) for other in scores) / len(scores)
        assert dormant_fraction(features, score * (1 + 1e-9)) == up_to
        if score > 0:
            assert dormant_fraction(features, score * (1 - 1e-9)) == below
    active = active_units(features, nn.ReLU())
    assert active is not None
    fau = expected["FAU(mean over samples and units of a>0)"]
    assert active_fraction(active) == fau
    ever = expected["fraction_active_units(any sample>0)"]
    assert 1 - dead_fraction(active, share=0.0) == ever


def test_ranks() -> None:
    values = torch.tensor(CASE["singular_values"], dtype=torch.float64)
    found = {
        "srank_delta0.01(min k: cumsum/sum>=0.99)": srank(values),
        "erank_entropy(exp(-sum p ln p))": effective_rank(values),
        "stable_rank(sum s^2/max s^2)": stable_rank(values),
        "pca_like_rank_99pct_energy(min k: cumsum(s^2)>=0.99)": approximate_rank(values),
    }
    assert found == pytest.approx(CASE["expected_rank"], rel=1e-12)
