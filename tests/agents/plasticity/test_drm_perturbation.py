from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from everlearn.agents.adam import Adam
from everlearn.agents.layers import Part, hidden_layers
from everlearn.agents.plasticity.drm_perturbation import DrMPerturbation

PUBLISHED = json.loads((Path(__file__).parents[2] / "data/published_plasticity.json").read_text())


@pytest.mark.parametrize("threshold", ["0.025", "0.1", "0.5"])
def test_the_ratio_is_the_published_one(threshold: str) -> None:
    stored = PUBLISHED["drm"]
    head = nn.Linear(5, 2)
    body = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU())
    parameters = tuple(nn.Sequential(body, head).parameters())
    part = Part("actor", hidden_layers(body, [head]), (head,), parameters, Adam(parameters))
    with torch.no_grad():
        for parameter, values in zip(parameters, stored["weights"], strict=True):
            parameter.copy_(torch.tensor(values))
    part.batch = torch.tensor(stored["inputs"])
    method = DrMPerturbation(dormant_threshold=float(threshold))
    assert method.measure(part) == pytest.approx(stored["ratio"][threshold])
