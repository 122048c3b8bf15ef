"""The loss of proximal policy optimization and its gradient in the networks' outputs.

Schulman et al., "Proximal policy optimization algorithms" (2017), equations 7 and 9, with the
variants of stable-baselines3. All are pure functions; each returns a loss together with its
derivative, so that a reader can check one against the other line by line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from .batches import Batch

Scale = Any
"""A number that may change between gradient steps: a float, or a scalar tensor in compiled code.

Torch takes either everywhere, but some of its annotations take no union of both.
"""


@final
class Likelihood(NamedTuple):
    """What a policy's distribution says about actions."""

    log_probs: Tensor
    """Logarithms of the actions' probabilities, of shape (batch,)."""

    entropy: Tensor
    """Mean entropy, a scalar."""

    backward: Callable[[Tensor, Scale], tuple[Tensor, Tensor | None]]
    """From the loss's gradients in `log_probs` and in `entropy` to those in the distribution's
    parameters: the means or logits, and the logarithms of the standard deviations or None."""


def gaussian(means: Tensor, log_stds: Tensor, actions: Tensor) -> Likelihood:
    """Judge actions by a normal distribution with independent dimensions.

    Args:
        means: of shape (batch, dimensions).
        log_stds: logarithms of the standard deviations, of shape (dimensions,).
        actions: of shape (batch, dimensions).

    Example:
        >>> judged = gaussian(torch.zeros(1, 2), torch.zeros(2), torch.zeros(1, 2))
        >>> round(judged.log_probs.item(), 4), round(judged.entropy.item(), 4)
        (-1.8379, 2.8379)
    """
    inverse_stds = torch.exp(-log_stds)
    deviations = (actions - means) * inverse_stds
    constant = log_stds.sum() + 0.5 * math.log(2 * math.pi) * means.shape[1]
    log_probs = -0.5 * deviations.square().sum(dim=1) - constant
    entropy = constant + 0.5 * means.shape[1]

    def backward(of_log_probs: Tensor, of_entropy: Scale) -> tuple[Tensor, Tensor]:
        of_deviations = of_log_probs.unsqueeze(1) * deviations
        of_log_stds = (of_deviations * deviations).sum(dim=0) - of_log_probs.sum() + of_entropy
        return of_deviations * inverse_stds, of_log_stds

    return Likelihood(log_probs, entropy, backward)


def categorical(logits: Tensor, actions: Tensor) -> Likelihood:
    """Judge actions by a distribution over a finite set.

    Args:
        logits: unnormalised logarithms of the probabilities, of shape (batch, actions).
        actions: integers of shape (batch,).

    Example:
        >>> judged = categorical(torch.zeros(1, 4), torch.tensor([2]))
        >>> round(judged.log_probs.item(), 4), round(judged.entropy.item(), 4)
        (-1.3863, 1.3863)
    """
    log_all = torch.log_softmax(logits, dim=1)
    all_probs = log_all.exp()
    chosen = actions.unsqueeze(1) == torch.arange(logits.shape[1], device=logits.device)
    log_probs = log_all.gather(1, actions.unsqueeze(1)).squeeze(1)
    entropies = -(all_probs * log_all).sum(dim=1)

    def backward(of_log_probs: Tensor, of_entropy: Scale) -> tuple[Tensor, None]:
        of_each = of_entropy / len(logits)
        through_entropy = all_probs * (log_all + entropies.unsqueeze(1)) * of_each
        return of_log_probs.unsqueeze(1) * (chosen.to(logits) - all_probs) - through_entropy, None

    return Likelihood(log_probs, entropies.mean(), backward)


@final
class Surrogate(NamedTuple):
    """The policy's loss and what is logged with it, all scalars but the gradient."""

    loss: Tensor
    of_log_probs: Tensor
    approx_kl: Tensor
    clip_fraction: Tensor


def clipped_surrogate(
    log_probs: Tensor, batch: Batch, clip_range: Scale, normalize_advantage: bool
) -> Surrogate:
    """Return the clipped surrogate loss (Schulman et al. 2017, equation 7) and its gradient.

    Args:
        log_probs: the actions' under the present policy, of shape (batch,).
        batch: the transitions.
        clip_range: largest change of the probability ratio that is rewarded.
        normalize_advantage: whether the batch's advantages get mean 0 and deviation 1.

    Example:
        >>> one = torch.ones(1)
        >>> batch = Batch(one, one, one, torch.zeros(1), one, one)
        >>> surrogate = clipped_surrogate(torch.tensor([0.1]), batch, 0.2, False)
        >>> round(surrogate.loss.item(), 4), round(surrogate.of_log_probs.item(), 4)
        (-1.1052, -1.1052)
    """
    size, advantages = len(log_probs), batch.advantages
    if normalize_advantage and size > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    log_ratios = log_probs - batch.old_log_probs
    ratios = log_ratios.exp()
    plain = advantages * ratios
    clipped = advantages * ratios.clamp(1 - clip_range, 1 + clip_range)
    # Inside of the range both are equal; outside the smaller one is a constant where it is clipped.
    of_log_probs = (plain <= clipped) * plain * (-1 / size)
    changes = ratios - 1
    # Schulman, "Approximating KL divergence" (2020), as stable-baselines3 logs it.
    approx_kl = (changes - log_ratios).mean()
    clip_fraction = (changes.abs() > clip_range).to(ratios.dtype).mean()
    return Surrogate(-torch.minimum(plain, clipped).mean(), of_log_probs, approx_kl, clip_fraction)


def value_loss(values: Tensor, batch: Batch, clip_range: Scale | None) -> tuple[Tensor, Tensor]:
    """Return the mean squared error of the critic, and its gradient in the values.

    Args:
        values: the critic's, of shape (batch,).
        batch: the transitions.
        clip_range: largest change against the old values that counts, or None for any.

    Example:
        >>> one = torch.ones(1)
        >>> value_loss(3 * one, Batch(one, one, one, one, one, one), None)
        (tensor(4.), tensor([4.]))
    """
    if clip_range is None:
        errors = values - batch.returns
        return errors.square().mean(), errors * (2 / len(values))
    changes = values - batch.old_values
    clipped = changes.clamp(-clip_range, clip_range)
    errors = batch.old_values + clipped - batch.returns
    return errors.square().mean(), errors * (clipped == changes) * (2 / len(values))
