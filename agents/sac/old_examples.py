"""The gradient of the actor's loss at observations of earlier tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..layers import Part
from ..retention.retention_method import outputs_with
from ..retention.task import Examples
from .losses import actor_loss, squash


def differentiate_actor(
    agent: Any, parts: Sequence[Part], examples: Examples
) -> tuple[Tensor, ...]:
    """Return the gradient in each of the actor's parameters, by the critics as they are now.

    Args:
        agent: a SAC agent; its temperature counts.
        parts: its networks, the actor first.
        examples: of which the observations count.
    """
    actor, *critics = parts
    observations = examples.observations
    if agent.log_ent_coef is None:
        temperature = agent.ent_coef_tensor
    else:
        temperature = agent.log_ent_coef.detach().exp()
    with torch.enable_grad():
        means, log_stds = outputs_with(actor, actor.parameters, observations)
        actions, log_probs = squash(means, log_stds, torch.randn_like(means))
        pairs = torch.cat([observations, actions], dim=1)
        values = [outputs_with(critic, critic.parameters, pairs)[0] for critic in critics]
        rule = agent.options["actor_value"]
        joined = torch.stack(values).squeeze(2)
        loss = actor_loss(joined, log_probs.sum(dim=1), temperature, rule)
    return torch.autograd.grad(loss, actor.parameters)
