"""The joint belief over segment age and latent context, step by step."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..belief import first_step, mixture, most_likely, predict_age, update_age
from .losses import log_likelihood
from .networks import ContextNetworks


class Belief(NamedTuple):
    """What is known before the next step of each copy of the world.

    Attributes:
        hidden: an encoder for each possible start of the segment: entry n saw the last n steps;
            of shape (copies, ages, hidden). varibad's only one saw them all.
        log_ages: logarithms of p(age of the next step), of shape (copies, ages).
    """

    hidden: Tensor
    log_ages: Tensor


class Inferred(NamedTuple):
    """What is known after a step of each copy.

    Attributes:
        log_ages: logarithms of p(age of that step), of shape (copies, ages).
        mean: of the context, of shape (copies, latent).
        log_variance: of the same shape.
    """

    log_ages: Tensor
    mean: Tensor
    log_variance: Tensor


def first_belief(networks: ContextNetworks, n_copies: int) -> Belief:
    """Return the belief where nothing was seen.

    Args:
        networks: the encoder.
        n_copies: copies of the world.
    """
    n_ages = len(networks.hazard)
    hidden = torch.zeros(n_copies, n_ages, networks.settings.hidden_size)
    return Belief(hidden, first_step((n_copies,), n_ages))


def likelihoods(networks: ContextNetworks, hidden: Tensor, steps: Tensor) -> Tensor:
    """Return how likely a step is given each age.

    log of the mean over sampled contexts of p(reward, next observation | context), where contexts
    are from the posterior of the n steps before, and from N(0, 1) for n = 0. The released code
    takes one sample.

    Args:
        networks: encoder and decoder.
        hidden: entry n saw the last n steps, of shape (copies, ages, hidden).
        steps: scaled, of shape (copies, n_step).

    Returns:
        Logarithms, of shape (copies, ages).
    """
    mean, log_variance = networks.read(hidden)
    # Nothing was seen by the first.
    mean = torch.cat([torch.zeros_like(mean[:, :1]), mean[:, 1:]], dim=1)
    log_variance = torch.cat([torch.zeros_like(mean[:, :1]), log_variance[:, 1:]], dim=1)
    deviation = torch.exp(0.5 * log_variance)
    latents = mean.unsqueeze(2) + deviation.unsqueeze(2) * networks.points
    seen = steps[:, None, None]
    predictions = networks.decode(latents, seen)
    each = log_likelihood(predictions, networks.target(seen), networks.log_deviations())
    return torch.logsumexp(each, dim=2) - math.log(len(networks.points))


def infer(networks: ContextNetworks, belief: Belief, steps: Tensor) -> tuple[Belief, Inferred]:
    """Take in a step of each copy.

    Chen et al. (2022), Section 4.1, with a hidden state for each age that is told apart: the
    oldest sees the last `ages` steps, whichever of the older ages is true.

    Args:
        networks: encoder and decoder; their settings say how.
        belief: before the step.
        steps: scaled, of shape (copies, n_step).

    Returns:
        The belief before the next step, and what is known now.
    """
    kind = networks.settings.kind
    log_ages = belief.log_ages
    if kind == "secbad":
        log_ages = update_age(log_ages, likelihoods(networks, belief.hidden, steps))
    hidden = networks.advance(belief.hidden, steps)
    means, log_variances = networks.read(hidden)
    combine = mixture if networks.settings.belief == "mixture" else most_likely
    mean, variance = combine(log_ages, means, log_variances.exp())
    if kind != "varibad":
        hidden = torch.cat([torch.zeros_like(hidden[:, :1]), hidden[:, :-1]], dim=1)
    after = Belief(hidden, predict_age(log_ages, networks.hazard))
    return after, Inferred(log_ages, mean, variance.log())


def begin_again(belief: Belief, which: Tensor) -> Belief:
    """Forget what is known of some copies.

    Args:
        belief: of all copies.
        which: booleans of shape (copies,).
    """
    fresh = first_step((len(which),), belief.log_ages.shape[-1])
    return Belief(
        torch.where(which[:, None, None], 0.0, belief.hidden),
        torch.where(which[:, None], fresh, belief.log_ages),
    )
