from __future__ import annotations

import math

import pytest
import torch

from everlearn.agents.activations import Fourier


def test_by_hand() -> None:
    wanted = [math.sin(0.5), math.sin(-2), math.cos(0.5), math.cos(-2)]
    found = Fourier()(torch.tensor([[0.5, -2.0]])).tolist()[0]
    assert found == pytest.approx(wanted)
