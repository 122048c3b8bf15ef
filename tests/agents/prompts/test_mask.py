from __future__ import annotations

import pytest
import torch
from torch import nn

from everlearn.agents.prompts.mask import PromptMask, activate, mask_units


def test_the_gradient_goes_straight_through_between_0_and_1() -> None:
    prompt = torch.tensor([-1.0, 0.0, 1e-6, 0.5, 0.999, 1.0, 2.0], requires_grad=True)
    mask = activate(prompt)
    assert mask.tolist() == [0, 0, 1, 1, 1, 1, 1]
    (mask * torch.arange(1.0, 8.0)).sum().backward()
    assert prompt.grad is not None
    assert prompt.grad.tolist() == [0, 0, 3, 4, 5, 0, 0]


def test_learning_only_switches_off() -> None:
    """What is off gets no gradient, and what is on goes off when that lowers the loss."""
    torch.manual_seed(0)
    mask = PromptMask(32)
    with torch.no_grad():
        mask.prompt.copy_(torch.linspace(-0.5, 0.5, 32))
    optimizer = torch.optim.Adam(mask.parameters(), lr=0.05)
    before = mask.prompt > 0
    for _ in range(30):
        optimizer.zero_grad()
        (mask(torch.ones(4, 32)) * torch.randn(32).sign()).sum().backward()
        optimizer.step()
        assert not ((mask.prompt > 0) & ~before).any()
    assert (mask.prompt > 0).sum() < before.sum()


@pytest.mark.parametrize("normalized", [False, True])
def test_units_that_are_off_have_no_part_in_anything(normalized: bool) -> None:
    prompt = torch.tensor([0.2, -0.1, 0.3, 0.0])
    units = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    other = units.clone()
    other[:, [1, 3]] = 100.0
    masked = mask_units(units, prompt, normalized)
    assert torch.equal(masked, mask_units(other, prompt, normalized))
    assert not masked[:, [1, 3]].any()
    if normalized:
        wanted = nn.functional.layer_norm(units[:, [0, 2]], (2,), eps=1e-6)
        torch.testing.assert_close(masked[:, [0, 2]], wanted)
