"""How much a policy's answers depend on each of its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import grad, jacrev, vmap

from ..layers import Part
from .answers import answers_with

ROWS = 4
"""Observations whose Jacobians are held at the same time."""

_PerRow = Callable[[tuple[Tensor, ...], Tensor], tuple[Tensor, ...]]


def fisher_information(part: Part, inputs: Tensor, stabilizer: float = 0.0) -> list[Tensor]:
    """Return the diagonal of a policy's Fisher information, in closed form.

    For an observation, and a normal distribution with independent dimensions d, it is

        sum over d of ((d mu_d)^2 + 2 (d sigma_d)^2) / sigma_d^2

    (Wolczyk et al., "Continual World" (2021); their code adds 1e-6 to sigma_d^2). Of a choice among
    actions it is the sum over a of p_a (d log p_a)^2. Nothing is drawn.

    Args:
        part: the policy.
        inputs: observations over which the mean is taken, of shape (batch, inputs).
        stabilizer: added to the variances, 0 or more.

    Returns:
        For each parameter a tensor of its shape, 0 where no answer depends on it.

    Example:
        >>> from torch import nn
        >>> head = nn.Linear(1, 1)
        >>> own = tuple(head.parameters())
        >>> part = Part("actor", (), (head,), own, torch.optim.SGD(own))
        >>> [each.item() for each in fisher_information(part, torch.tensor([[2.0]]))]
        [4.0, 1.0]
    """

    def answer(values: tuple[Tensor, ...], row: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat(answers_with(part, values, row.unsqueeze(0)), dim=1).squeeze(0)
        return joined, joined

    differentiate = jacrev(answer, has_aux=True)

    def of_row(values: tuple[Tensor, ...], row: Tensor) -> tuple[Tensor, ...]:
        jacobians, outputs = differentiate(values, row)
        return tuple(_information(part, outputs, jacobian, stabilizer) for jacobian in jacobians)

    return _mean_over(part, inputs, of_row)


def answer_sensitivity(part: Part, inputs: Tensor) -> list[Tensor]:
    """Return the mean over observations of |d (|mu|^2 + |log sigma|^2)|.

    Aljundi et al., "Memory aware synapses" (2018), with the squared length of what the network
    answers; of a policy as in Wolczyk et al., "Continual World" (2021).

    Args:
        part: the policy.
        inputs: observations over which the mean is taken, of shape (batch, inputs).

    Returns:
        For each parameter a tensor of its shape.

    Example:
        >>> from torch import nn
        >>> head = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(head.weight, 3.0)
        >>> own = tuple(head.parameters())
        >>> part = Part("actor", (), (head,), own, torch.optim.SGD(own))
        >>> answer_sensitivity(part, torch.tensor([[2.0]]))
        [tensor([[24.]])]
    """

    def length(values: tuple[Tensor, ...], row: Tensor) -> Tensor:
        return torch.cat(answers_with(part, values, row.unsqueeze(0)), dim=1).square().sum()

    differentiate = grad(length)

    def of_row(values: tuple[Tensor, ...], row: Tensor) -> tuple[Tensor, ...]:
        return tuple(gradient.abs() for gradient in differentiate(values, row))

    return _mean_over(part, inputs, of_row)


def _mean_over(part: Part, inputs: Tensor, of_row: _PerRow) -> list[Tensor]:
    values = tuple(parameter.detach() for parameter in part.parameters)
    totals = [torch.zeros_like(value) for value in values]
    of_rows = vmap(of_row, in_dims=(None, 0))
    for rows in inputs.split(ROWS):
        for total, found in zip(totals, of_rows(values, rows), strict=True):
            total += found.detach().sum(dim=0)
    return [total / len(inputs) for total in totals]


def _information(part: Part, outputs: Tensor, jacobian: Tensor, stabilizer: float) -> Tensor:
    """Return one parameter's for one observation; the Jacobian's first dimension is the outputs."""
    means, log_stds = outputs.chunk(2)
    of_means, of_log_stds = jacobian.chunk(2)
    if part.choices:
        return _information_of_choices(means, of_means, part.choices)
    variances = _rows_like((2 * log_stds).exp(), of_means)
    squares = of_means.square() + 2 * variances * of_log_stds.square()
    return (squares / (variances + stabilizer)).sum(dim=0)


def _information_of_choices(logits: Tensor, of_logits: Tensor, choices: Sequence[int]) -> Tensor:
    total = torch.zeros_like(of_logits[0])
    pieces = zip(logits.split(list(choices)), of_logits.split(list(choices)), strict=True)
    for scores, slopes in pieces:
        probabilities = _rows_like(scores.softmax(dim=0), slopes)
        of_logs = slopes - (probabilities * slopes).sum(dim=0, keepdim=True)
        total = total + (probabilities * of_logs.square()).sum(dim=0)
    return total


def _rows_like(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
