from __future__ import annotations

import math

import pytest
import torch

from everlearn.agents.offline.losses import (
    advantage_weights,
    conservative_penalty,
    expectile_loss,
    gaussian_log_prob,
    imitation_loss,
    squared_loss,
)


@pytest.mark.parametrize("expectile", [0.1, 0.5, 0.9])
def test_the_minimum_of_its_loss_is_an_expectile(expectile: float) -> None:
    values = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    guess = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([guess], max_iter=50)

    def closure() -> float:
        optimizer.zero_grad()
        loss = expectile_loss(values - guess, expectile)
        loss.backward()
        return loss.item()

    optimizer.step(closure)
    above = (values - guess).clamp(min=0).sum()
    below = (guess - values).clamp(min=0).sum()
    assert expectile * above.item() == pytest.approx((1 - expectile) * below.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("advantage", "temperature", "weight"),
    [
        (0.0, 4.0, 1.0),
        (0.0, 10.0, 1.0),
        (1.0, 10.0, 100.0),
        (1.0, 4.0, 54.598),
        (-1.0, 1.0, 0.3679),
    ],
)
def test_advantage_weights(advantage: float, temperature: float, weight: float) -> None:
    found = advantage_weights(torch.tensor([advantage]), torch.zeros(1), temperature)
    assert found.item() == pytest.approx(weight, rel=1e-4)


def test_temperatures_may_differ_from_row_to_row() -> None:
    found = advantage_weights(torch.ones(2), torch.zeros(2), torch.tensor([0.0, 2.0]))
    assert found.tolist() == pytest.approx([1, math.exp(2)])


def test_densities_are_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    actions, means = torch.randn(2, 5, 3, generator=generator)
    log_stds = torch.tensor([-1.0, 0.0, 0.5])
    wanted = torch.distributions.Normal(means, log_stds.exp()).log_prob(actions).sum(dim=1)
    assert torch.allclose(gaussian_log_prob(actions, means, log_stds), wanted, atol=1e-5)


def test_no_gradient_goes_through_weights() -> None:
    values = torch.ones(2, requires_grad=True)
    log_probs = torch.zeros(2, requires_grad=True)
    imitation_loss(log_probs, advantage_weights(values, torch.zeros(2), 1.0)).backward()
    assert values.grad is None
    assert log_probs.grad is not None
    assert log_probs.grad.tolist() == pytest.approx([-math.e / 2] * 2)


def test_critics_are_summed() -> None:
    loss = squared_loss(torch.tensor([[0.0, 2.0], [1.0, 1.0]]), torch.tensor([0.0, 0.0]))
    assert loss.item() == 2 + 1


def test_uniform_samples_give_the_integral() -> None:
    """Of exp Q over all actions: here Q(a) = 2 a on [-1, 1]."""
    actions = (torch.arange(10_000) + 0.5) / 5_000 - 1
    flat = torch.full((1, 10_000), -math.log(2))
    penalty = conservative_penalty(torch.tensor([[0.3]]), 2 * actions.view(1, 1, -1), flat)
    integral = (math.exp(2) - math.exp(-2)) / 2
    assert penalty.item() == pytest.approx(math.log(integral) - 0.3, abs=1e-4)


def test_calibration_stops_the_push_below_what_was_earned() -> None:
    sampled = torch.tensor([[[1.0, 1.0, 5.0]]], requires_grad=True)
    known = torch.zeros(1, 1)
    flat = torch.zeros(1, 3)
    is_policy = torch.tensor([False, True, True])
    penalty = conservative_penalty(known, sampled, flat, torch.tensor([3.0]), is_policy)
    terms = torch.tensor([1.0, 3.0, 5.0])
    assert penalty.item() == pytest.approx(terms.exp().mean().log().item())
    penalty.backward()
    assert sampled.grad is not None
    # A uniform action is pushed down in any case, the policy's only where it is above 3.
    assert (sampled.grad[0, 0] > 0).tolist() == [True, False, True]
    low = conservative_penalty(known, sampled, flat, torch.tensor([-9.0]), is_policy)
    assert low.item() == pytest.approx(conservative_penalty(known, sampled, flat).item())
