"""What a policy answers, as a distribution: for Fisher information, cloning and distillation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from ..layers import Part
from .retention_method import outputs_with

LOG_STD_RANGE = (-20.0, 2.0)
"""Bounds of the logarithm of SAC's standard deviation (stable-baselines3's)."""


@final
class Answers(NamedTuple):
    """Distributions of actions, one a row."""

    means: Tensor
    """Means before any squashing, or logits, of shape (batch, outputs)."""

    log_stds: Tensor
    """Logarithms of the standard deviations, of the same shape; 0 where a network has none, and
    unused where the outputs are logits."""


def answers_with(part: Part, parameters: Sequence[Tensor], inputs: Tensor) -> Answers:
    """Return what a policy answers with some parameters; it can be differentiated.

    Args:
        part: the policy.
        parameters: in the order of `part.parameters`.
        inputs: of shape (batch, inputs).

    Example:
        >>> from torch import nn
        >>> head = nn.Linear(1, 1)
        >>> own = tuple(head.parameters())
        >>> part = Part("actor", (), (head,), own, torch.optim.SGD(own))
        >>> answers_with(part, [torch.ones(1, 1), torch.ones(1)], torch.tensor([[2.0]])).means
        tensor([[3.]])
    """
    means, *others = outputs_with(part, parameters, inputs)
    if others:
        return Answers(means, others[0].clamp(*LOG_STD_RANGE))
    if part.spread is None:
        return Answers(means, torch.zeros_like(means))
    (place,) = part.places([part.spread])
    return Answers(means, parameters[place].expand_as(means))


def log_likelihood(answers: Answers, actions: Tensor, choices: Sequence[int] = ()) -> Tensor:
    """Return the logarithms of actions' likelihoods, before any squashing, of shape (batch,).

    Args:
        answers: the distributions.
        actions: of shape (batch, dimensions), or the indices of those chosen.
        choices: among how many actions each choice is made, where the outputs are logits.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> round(log_likelihood(Answers(one, zero), one).item(), 4)
        -0.9189
        >>> round(log_likelihood(Answers(torch.zeros(1, 2), zero), one, choices=(2,)).item(), 4)
        -0.6931
    """
    if choices:
        chosen = actions.reshape(len(actions), -1).to(torch.long).unbind(dim=1)
        pieces = zip(answers.means.split(list(choices), dim=1), chosen, strict=True)
        each = [
            logits.log_softmax(dim=1).gather(1, index.unsqueeze(1)).squeeze(1)
            for logits, index in pieces
        ]
        return torch.stack(each).sum(dim=0)
    deviations = (actions - answers.means) * (-answers.log_stds).exp()
    constant = 0.5 * math.log(2 * math.pi)
    return (-0.5 * deviations.square() - answers.log_stds - constant).sum(dim=1)


def divergence(old: Answers, new: Answers, choices: Sequence[int] = ()) -> Tensor:
    """Return the mean over rows of KL(old || new), which squashing by tanh does not change.

    Args:
        old: the distributions to be kept.
        new: those that move.
        choices: among how many actions each choice is made, where the outputs are logits.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> divergence(Answers(zero, zero), Answers(one, zero)).item()
        0.5
        >>> divergence(Answers(zero, zero), Answers(zero, zero)).item()
        0.0
    """
    if choices:
        pairs = zip(
            old.means.split(list(choices), dim=1),
            new.means.split(list(choices), dim=1),
            strict=True,
        )
        each = [
            (a.softmax(dim=1) * (a.log_softmax(dim=1) - b.log_softmax(dim=1))).sum(dim=1)
            for a, b in pairs
        ]
        return torch.stack(each).sum(dim=0).mean()
    log_ratios = new.log_stds - old.log_stds
    squares = (2 * old.log_stds).exp() + (old.means - new.means).square()
    terms = log_ratios + 0.5 * squares * (-2 * new.log_stds).exp() - 0.5
    return terms.sum(dim=1).mean()
