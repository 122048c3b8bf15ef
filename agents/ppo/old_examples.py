"""The gradient of a loss of the actor at examples of earlier tasks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..layers import Part
from ..retention.answers import answers_with, log_likelihood
from ..retention.task import Examples


def differentiate_actor(part: Part, examples: Examples) -> tuple[Tensor, ...]:
    """Return the gradient of minus the mean log-likelihood of what was done.

    PPO's own loss is about actions that the present policy has just chosen; of what was done in
    earlier tasks, cloning it is what can be asked for.

    Args:
        part: the actor.
        examples: observations, and what was done there.
    """
    with torch.enable_grad():
        answers = answers_with(part, part.parameters, examples.observations)
        loss = -log_likelihood(answers, examples.actions, part.choices).mean()
    return torch.autograd.grad(loss, part.parameters)
