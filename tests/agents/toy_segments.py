"""A world whose posteriors are exact, for tests: nonstationary segments of a noisy constant."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from everlearn.agents.belief import first_step, predict_age, update_age

N_STEPS, N_RUNS = 200, 200
MEAN, DEVIATION, LEAST = 20.0, 5.0, 10


class Toy(NamedTuple):
    """c ~ N(0, 1) in each segment, r = c + noise, each of shape (runs, steps)."""

    contexts: Tensor
    ages: Tensor
    rewards: Tensor


@cache
def toy(variance: float) -> Toy:
    rng = np.random.default_rng(0)
    contexts, ages = np.empty((N_RUNS, N_STEPS)), np.empty((N_RUNS, N_STEPS), dtype=int)
    for run in range(N_RUNS):
        step = 0
        while step < N_STEPS:
            length = max(int(rng.normal(MEAN, DEVIATION)), LEAST)
            segment = slice(step, min(step + length, N_STEPS))
            contexts[run, segment] = rng.normal()
            ages[run, segment] = np.arange(1, segment.stop - step + 1)
            step += length
    rewards = contexts + math.sqrt(variance) * rng.normal(size=contexts.shape)
    return Toy(*map(torch.from_numpy, (contexts, ages, rewards)))


def posterior(totals: Tensor, counts: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Return mean and variance of c after `counts` rewards that sum to `totals`."""
    spread = variance / (variance + counts)
    return totals * spread / variance, spread.expand_as(totals)


def run_filter(data: Toy, variance: float, hazard: Tensor) -> Any:
    """Yield the belief about ages, and c given each age, after each step."""
    n_ages = len(hazard)
    counts = torch.arange(n_ages, dtype=torch.float64)
    totals = torch.zeros(len(data.rewards), n_ages, dtype=torch.float64)
    log_ages = first_step((len(data.rewards),), n_ages, torch.float64)
    for step in range(data.rewards.shape[1]):
        reward = data.rewards[:, step : step + 1]
        mean, spread = posterior(totals, counts, variance)
        log_likelihoods = torch.distributions.Normal(mean, (spread + variance).sqrt()).log_prob(
            reward
        )
        log_ages = update_age(log_ages, log_likelihoods)
        totals = totals + reward
        mean, spread = posterior(totals, counts + 1, variance)
        yield log_ages, mean.unsqueeze(-1), spread.unsqueeze(-1)
        log_ages = predict_age(log_ages, hazard)
        totals = torch.cat([torch.zeros_like(totals[:, :1]), totals[:, :-1]], dim=1)
