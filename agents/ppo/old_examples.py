"""The gradient of a loss of the actor at examples of earlier tasks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..layers import Part
from ..retention.answers import answers_with
from ..retention.task import Examples
from .loss import categorical, gaussian


def differentiate_actor(part: Part, examples: Examples) -> tuple[Tensor, ...]:
    """Return the gradient of minus the mean log-likelihood of what was done.

    PPO's own loss is about actions that the present policy has just chosen; of what was done in
    earlier tasks, cloning it is what can be asked for.

    Args:
        part: the actor; where it chooses, among one set of actions.
        examples: observations, and what was done there.
    """
    with torch.enable_grad():
        answers = answers_with(part, part.parameters, examples.observations)
        if part.choices:
            chosen = examples.actions.reshape(len(examples.actions))
            judged = categorical(answers.means, chosen.to(torch.long))
        else:
            judged = gaussian(answers.means, answers.log_stds[0], examples.actions)
        loss = -judged.log_probs.mean()
    return torch.autograd.grad(loss, part.parameters)
