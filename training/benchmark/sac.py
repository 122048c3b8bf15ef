"""The SAC agents that are measured beside one another."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger, configure
from torch import nn

from ...agents import SAC
from .learner import SB3, SBX
from .sbx import SBXProcess, Timed

WORLD = "HalfCheetah-v5"
"""In which all learn: 17 numbers are observed, and 6 acted with."""

BFLOAT16 = "compiled, bfloat16"
"""Not compared with the reference: its products are rounded."""

BATCH = 256
WIDTH = 256
LARGEST_ERROR = 1e-4
"""Largest relative difference of parameters after 20 updates that counts as agreement."""

_STARTS = 500


def operations() -> float:
    """Count the floating-point operations in the products of one update.

    Two for each weight and transition in a product. The actor: of next and of present actions,
    and gradients of weights and inputs. Each critic: targets, values, gradients of weights and
    inputs, values of present actions and the gradient that flows back to them. First layers need
    no gradient of what was observed.
    """
    observed, acted = 17, 6
    hidden = WIDTH * WIDTH
    actor = observed * WIDTH + hidden + WIDTH * 2 * acted
    critic = (observed + acted) * WIDTH + hidden + WIDTH
    of_actor = 4 * actor - observed * WIDTH
    of_critic = 6 * critic - (observed + acted) * WIDTH - observed * WIDTH
    return 2.0 * BATCH * (of_actor + 2 * of_critic)


def sac_candidates(
    sbx: SBXProcess | None, stack: ExitStack
) -> dict[str, Callable[..., dict[str, float]]]:
    """Make agents that have begun to learn, with all logging, in one copy of a world each.

    Args:
        sbx: the process of SBX, if it is to be measured too.
        stack: closes what was made.

    Returns:
        By name, what lets each learn for some environment steps; it takes `gradient_steps` too.
    """
    own: dict[str, Any] = {"learning_starts": _STARTS, "buffer_size": 100_000, "batch_size": BATCH}
    agents: dict[str, Any] = {SB3: _make(stable_baselines3.SAC, **own)}
    for name, chosen in _OURS.items():
        agents[name] = _make(SAC, **chosen, **own)
    for agent in agents.values():
        stack.callback(agent.get_env().close)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        agent.set_logger(configure(folder, ["tensorboard", "csv"]))
        stack.callback(agent.logger.close)
    turns: dict[str, Callable[..., dict[str, float]]] = {
        name: partial(_turn, Timed(agent)) for name, agent in agents.items()
    }
    if sbx is not None:
        own["policy_kwargs"] = {"net_arch": [WIDTH, WIDTH]}
        sbx.make("sac", agent="SAC", world=WORLD, copies=1, normalize=False, own=own)
        turns[SBX] = partial(sbx.turn, "sac")
    for turn in turns.values():
        turn(_STARTS + 1, gradient_steps=1)
    return turns


_OURS: dict[str, dict[str, Any]] = {
    "eager": {"backend": "eager"},
    "compiled": {"backend": "compiled"},
    BFLOAT16: {"backend": "compiled", "bfloat16": True},
}


def agreement(name: str, n_updates: int = 20) -> float | None:
    """Return how far an agent's parameters are from the reference's after some updates.

    Args:
        name: of the candidate; None is returned for one that is not comparable.
        n_updates: how many.

    Raises:
        RuntimeError: the difference is too large for the same algorithm.
    """
    if name not in _OURS or name == BFLOAT16:
        return 0.0 if name == SB3 else None
    wanted, got = (
        _parameters(_make(kind, buffer_size=1000, learning_starts=0, **chosen), n_updates)
        for kind, chosen in ((stable_baselines3.SAC, {}), (SAC, _OURS[name]))
    )
    error = ((wanted - got).norm() / wanted.norm()).item()
    if error > LARGEST_ERROR:
        raise RuntimeError(f"the parameters differ by {error:.1e} after {n_updates} updates")
    return error


def _parameters(agent: Any, n_updates: int) -> torch.Tensor:
    """Let an agent learn from numbers that are always the same; return its parameters."""
    agent.set_logger(Logger(None, []))
    random = np.random.default_rng(0)
    for _ in range(500):
        now, after = random.normal(size=(2, 1, 17))
        action, reward = random.uniform(-1, 1, (1, 6)), random.normal(size=1)
        agent.replay_buffer.add(now, after, action, reward, np.zeros(1), [{}])
    torch.manual_seed(0)
    np.random.seed(0)
    agent.train(n_updates, BATCH)
    networks = [*agent.actor.parameters(), *agent.critic.parameters()]
    found = nn.utils.parameters_to_vector(networks).detach()
    agent.get_env().close()
    return found


def _make(kind: Any, **own: Any) -> Any:
    shape = {"net_arch": [WIDTH, WIDTH]}
    world = make_vec_env(WORLD, 1, seed=0)
    return kind("MlpPolicy", world, policy_kwargs=shape, seed=0, device="cpu", **own)


def _turn(timed: Timed, steps: int, gradient_steps: int) -> dict[str, float]:
    timed.agent.gradient_steps = gradient_steps
    return timed.turn(steps)
