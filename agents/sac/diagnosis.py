"""What the diagnostics look at in SAC."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import Tensor

from ..diagnostics import Subject
from ..diagnostics.diagnose import Losses
from ..layers import Part
from .flat import take_batch
from .losses import actor_loss, critic_loss, squash, td_targets, weigh
from .options import SACOptions

N_DIAGNOSED = 512
"""How many transitions the diagnostics look at."""


def make_subject(
    agent: stable_baselines3.SAC,
    parts: Sequence[Part],
    before: Sequence[Tensor] | None,
    options: SACOptions,
) -> Subject:
    """Return an agent as the diagnostics see it.

    Args:
        agent: the agent.
        parts: its networks, the actor first.
        before: their parameters when the iteration began, if known.
        options: how its update differs from stable-baselines3's.
    """
    assert agent.replay_buffer is not None
    # Buffers draw from numpy's global generator, which must not notice.
    state = np.random.get_state()
    samples = agent.replay_buffer.sample(N_DIAGNOSED, env=agent._vec_normalize_env)
    np.random.set_state(state)

    def forward() -> None:
        agent.actor.get_action_dist_params(samples.observations)
        agent.critic(samples.observations, samples.actions)

    def losses() -> Losses:
        return _losses(agent, parts, samples, options)

    # State-dependent exploration draws no noise of its own for each action.
    known = None if agent.use_sde else losses
    return Subject(parts, agent.policy, forward, known, before)


def _losses(
    agent: stable_baselines3.SAC,
    parts: Sequence[Part],
    samples: ReplayBufferSamples,
    options: SACOptions,
) -> Losses:
    actor, critic, observations = agent.actor, agent.critic, samples.observations
    # The same noise each time, from a generator of its own.
    generator = torch.Generator().manual_seed(0)
    noise, next_noise = torch.randn(2, *samples.actions.shape, generator=generator).to(
        samples.actions
    )
    weights = None
    if options.entropy_weights is not None:
        weights = noise.new_tensor(options.entropy_weights)
    if agent.log_ent_coef is not None:
        temperature = agent.log_ent_coef.detach().exp()
    else:
        temperature = agent.ent_coef_tensor
    means, log_stds, _ = actor.get_action_dist_params(observations)
    actions, log_probs = squash(means, log_stds, noise)
    values = torch.cat(critic(observations, actions), dim=1).T
    of_actor = actor_loss(values, weigh(log_probs, weights), temperature, options.actor_value)
    batch = take_batch(samples, agent.gamma, noise.dtype)
    with torch.no_grad():
        means, log_stds, _ = actor.get_action_dist_params(samples.next_observations)
        next_actions, next_log_probs = squash(means, log_stds, next_noise)
        next_values = agent.critic_target(samples.next_observations, next_actions)
        entropy_weight = temperature if options.entropy_backup else 0.0
        targets = td_targets(
            batch,
            torch.cat(next_values, dim=1).T,
            weigh(next_log_probs, weights),
            entropy_weight,
            options.target_value,
        )
    values = torch.cat(critic(observations, samples.actions), dim=1).T
    return [(parts[:1], of_actor), (parts[1:], critic_loss(values, targets))]
