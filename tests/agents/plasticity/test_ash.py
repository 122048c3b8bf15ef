from __future__ import annotations

import math

import pytest
import torch

from everlearn.agents.activations import ASH


def test_by_hand() -> None:
    # Mean 0 and deviation 2: the gates' inputs are 3 (x - 1).
    gates = [1 / (1 + math.exp(-3)), 1 / (1 + math.exp(9))]
    wanted = [2 * gates[0], -2 * gates[1]]
    assert ASH(3.0, 0.5)(torch.tensor([2.0, -2.0])).tolist() == pytest.approx(wanted, rel=1e-5)
    hard = ASH(3.0, 0.5, hard=True)
    # Inputs above 2 are cut off; the gate of 2 is fully open at 3 (2 - 1) = 3.
    assert hard(torch.tensor([2.0, -2.0])).tolist() == pytest.approx([2, 0], rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_hard_ash(seed: int) -> None:
    inputs = torch.randn(200, 2000, generator=torch.Generator().manual_seed(seed))
    module = ASH(sharpness=3.0, offset=2.3, hard=True)
    # It answers from offset - 3 / sharpness on, and its gate is half open at the offset.
    normal = torch.distributions.Normal(0, 1)
    answering = (module(inputs) > 0).double().mean().item()
    assert answering == pytest.approx(1 - normal.cdf(torch.tensor(1.3)).item(), rel=0.03)
    half_open = (module(inputs) >= 0.5 * inputs.clamp(0, 2)) & (inputs > 0)
    wanted = 1 - normal.cdf(torch.tensor(2.3)).item()
    assert half_open.double().mean().item() == pytest.approx(wanted, rel=0.06)


def test_layers_without_any_difference_have_slopes() -> None:
    inputs = torch.ones(2, 4, requires_grad=True)
    ASH(hard=True)(inputs).sum().backward()
    assert inputs.grad is not None
    assert torch.isfinite(inputs.grad).all()
