from __future__ import annotations

import pytest
import torch
from torch import nn

from everlearn.agents.activations import ASH, CReLU, Elephant, Fourier


@pytest.mark.parametrize("module", [CReLU(), Fourier(), Elephant(0.8), ASH(), ASH(hard=True)])
def test_slopes_are_those_of_finite_differences(module: nn.Module) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (inputs,))
