"""The PPO agents that are measured beside one another."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger, configure
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import nn

from ...agents import PPO, ContinualBackprop
from ...envs import make_vec_env as make_stream_vec_env
from ...envs.stream import Stream
from .cleanrl import StraightPPO
from .learner import CLEANRL, COMPILED, ROLLOUT, SB3, SBX, Shape
from .sbx import SBXProcess, Timed

CBP = "compiled, continual backprop"
"""Continual backprop as published, but that units mature early, so that some are replaced."""

MATURITY = 100

LARGEST_ERROR = 1e-4
"""Largest relative difference of parameters after an iteration that counts as agreement.

Ten epochs of single precision, in which rounding errors grow from step to step.
"""

_BUFFER_FIELDS = ("observations", "actions", "values", "log_probs", "advantages", "returns")


def update_candidates(shape: Shape, n_epochs: int) -> dict[str, Any]:
    """Make agents in one state, each with the same full rollout, ready for `train`.

    Args:
        shape: sizes of the networks and minibatches.
        n_epochs: passes over the rollout.
    """
    activation = nn.Tanh if shape.width == 64 else nn.ReLU
    world = StillWorld(shape)
    settings: dict[str, Any] = {
        "n_steps": ROLLOUT,
        "batch_size": shape.batch_size,
        "n_epochs": n_epochs,
        "seed": 0,
        "device": "cpu",
        "policy_kwargs": {"net_arch": [shape.width] * 2, "activation_fn": activation},
    }
    ours: dict[str, Any] = {"diagnostics": False, **settings}
    methods = [ContinualBackprop(maturity=MATURITY)]
    agents: dict[str, Any] = {
        SB3: stable_baselines3.PPO("MlpPolicy", world, **settings),
        "eager": PPO("MlpPolicy", world, backend="eager", **ours),
        COMPILED: PPO("MlpPolicy", world, backend="compiled", **ours),
        CBP: PPO("MlpPolicy", world, backend="compiled", methods=methods, **ours),
    }
    for agent in agents.values():
        agent.set_logger(Logger(None, []))
        fill_rollout(agent.rollout_buffer)
    return agents


def agreement(reference: Any, agent: Any) -> float | None:
    """Return how far an agent's parameters are from the reference's after one iteration.

    Both are trained from the state they are in, on the same minibatches; then the reference is
    put back, so that it can be compared with others too.

    Args:
        reference: stable-baselines3's agent.
        agent: the other one; None is returned for one with methods, which learn something else.

    Raises:
        RuntimeError: the difference is too large for the same algorithm.
    """
    if getattr(agent, "methods", ()):
        return None
    policy, optimizer = reference.policy, reference.policy.optimizer
    start = [parameter.detach().clone() for parameter in policy.parameters()]
    for one in {id(reference): reference, id(agent): agent}.values():
        np.random.seed(1)
        one.train()
    wanted, got = (
        nn.utils.parameters_to_vector(one.policy.parameters()) for one in (reference, agent)
    )
    error = ((wanted - got).norm() / wanted.norm()).item()
    if error > LARGEST_ERROR:
        raise RuntimeError(f"the parameters differ by {error:.1e} after one iteration")
    with torch.no_grad():
        for parameter, before in zip(policy.parameters(), start, strict=True):
            parameter.copy_(before)
    optimizer.state.clear()
    return error


def world_candidates(
    world: str, copies: int, n_epochs: int, sbx: SBXProcess | None, stack: ExitStack
) -> dict[str, Callable[[int], dict[str, float]]]:
    """Make agents that learn in a world, with normalised observations and all logging.

    Args:
        world: gymnasium's id.
        copies: copies of the world.
        n_epochs: passes over each rollout.
        sbx: the process of SBX, if it is to be measured too.
        stack: closes what was made.

    Returns:
        By name, what lets each learn for some environment steps; see `Timed.turn`.
    """
    own: dict[str, Any] = {"n_steps": ROLLOUT // copies, "batch_size": 64, "n_epochs": n_epochs}
    settings = {**own, "seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [64, 64]}}

    def theirs() -> VecEnv:
        return VecNormalize(make_vec_env(world, copies, seed=0), norm_reward=False)

    still = Stream(world, (world,))
    ours = make_stream_vec_env(still, copies, seed=0, normalize={"rewards": False})
    agents: dict[str, Any] = {
        SB3: stable_baselines3.PPO("MlpPolicy", theirs(), **settings),
        "eager, their worlds": PPO("MlpPolicy", theirs(), backend="eager", **settings),
        "compiled, their worlds": PPO("MlpPolicy", theirs(), backend="compiled", **settings),
        "compiled, our worlds": PPO("MlpPolicy", ours, backend="compiled", **settings),
    }
    for agent in agents.values():
        stack.callback(agent.get_env().close)
        agent.set_logger(configure(_folder(stack), ["tensorboard", "csv"]))
        stack.callback(agent.logger.close)
    straight = StraightPPO(world, copies, ROLLOUT, n_epochs, 64, _folder(stack))
    stack.callback(straight.env.close)
    stack.callback(straight.writer.close)
    agents[CLEANRL] = straight
    turns: dict[str, Callable[[int], dict[str, float]]] = {
        name: Timed(agent).turn for name, agent in agents.items()
    }
    if sbx is not None:
        name = f"ppo {world}"
        sbx.make(name, agent="PPO", world=world, copies=copies, normalize=True, own=own)
        turns[SBX] = partial(sbx.turn, name)
    return turns


def _folder(stack: ExitStack) -> str:
    return stack.enter_context(tempfile.TemporaryDirectory())


def fill_rollout(buffer: Any) -> None:
    """Fill a rollout buffer with plausible numbers, in the form in which `train` leaves it.

    Args:
        buffer: stable-baselines3's.
    """
    generator = np.random.default_rng(0)
    buffer.reset()
    for name in _BUFFER_FIELDS:
        shape = buffer.swap_and_flatten(getattr(buffer, name)).shape
        setattr(buffer, name, generator.normal(size=shape).astype(np.float32))
    if isinstance(buffer.action_space, gymnasium.spaces.Discrete):
        n_actions = int(buffer.action_space.n)
        buffer.actions = generator.integers(n_actions, size=buffer.actions.shape)
        buffer.log_probs = np.full_like(buffer.values, -np.log(n_actions))
    else:
        constant = 0.5 * np.log(2 * np.pi) * buffer.action_dim
        squares = np.square(buffer.actions).sum(axis=1, keepdims=True)
        buffer.log_probs = (-0.5 * squares - constant).astype(np.float32)
    buffer.values *= 0.1
    buffer.returns = buffer.values + buffer.advantages
    buffer.full = buffer.generator_ready = True


class StillWorld(gymnasium.Env[np.ndarray, Any]):
    """A world of given sizes in which nothing happens.

    Args:
        shape: the sizes.
    """

    def __init__(self, shape: Shape) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (shape.inputs,))
        self.action_space = (
            gymnasium.spaces.Discrete(shape.actions)
            if shape.discrete
            else gymnasium.spaces.Box(-1, 1, (shape.actions,))
        )

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Return something to observe."""
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Return something to observe, without reward or end."""
        return self.observation_space.sample(), 0.0, False, False, {}
