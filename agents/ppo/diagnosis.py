"""What the diagnostics look at in PPO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor

from ..diagnostics import Subject
from ..layers import Part
from .batches import BUFFER_FIELDS, Batch
from .loss import clipped_surrogate, value_loss

N_DIAGNOSED = 512
"""Most transitions of a rollout that the diagnostics look at."""


def make_subject(
    agent: stable_baselines3.PPO, parts: Sequence[Part], before: Sequence[Tensor]
) -> Subject:
    """Return an agent as the diagnostics see it, after the update with its rollout.

    Args:
        agent: the agent.
        parts: its networks.
        before: their parameters before the update.
    """
    buffer, policy = agent.rollout_buffer, agent.policy
    batch: Any = buffer.observations
    if isinstance(batch, dict):
        batch = {key: _spread(values) for key, values in batch.items()}
    else:
        batch = _spread(batch)
    inputs: Any = obs_as_tensor(batch, agent.device)

    def forward() -> None:
        policy.get_distribution(inputs)
        policy.predict_values(inputs)

    def losses() -> list[tuple[Sequence[Part], Tensor]]:
        return [(parts, _loss(agent, inputs))]

    discrete = isinstance(agent.action_space, spaces.Discrete)
    return Subject(parts, policy, forward, losses, before, discrete)


def _loss(agent: stable_baselines3.PPO, inputs: Any) -> Tensor:
    """Return PPO's loss on the spread transitions, as one minibatch."""
    progress = agent._current_progress_remaining
    schedule: Any = agent.clip_range
    schedule_vf: Any = agent.clip_range_vf
    columns = [
        torch.as_tensor(_spread(getattr(agent.rollout_buffer, name)), device=agent.device)
        for name in BUFFER_FIELDS[1:]
    ]
    actions, *rest = columns
    if isinstance(agent.action_space, spaces.Discrete):
        actions = actions.long().flatten()
    values, log_probs, entropy = agent.policy.evaluate_actions(inputs, actions)
    batch = Batch(inputs, actions, *(column.flatten() for column in rest))
    surrogate = clipped_surrogate(log_probs, batch, schedule(progress), agent.normalize_advantage)
    clip_range_vf = None if schedule_vf is None else schedule_vf(progress)
    of_values, _ = value_loss(values.flatten(), batch, clip_range_vf)
    # Where there is no closed form, as in stable-baselines3.
    mean_entropy = -log_probs.mean() if entropy is None else entropy.mean()
    return surrogate.loss - agent.ent_coef * mean_entropy + agent.vf_coef * of_values


def _spread(rows: np.ndarray) -> np.ndarray:
    """Return evenly spaced rows, of all copies and all of the rollout alike."""
    step = max(1, len(rows) // N_DIAGNOSED)
    return rows[::step][:N_DIAGNOSED]
