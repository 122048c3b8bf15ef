"""The agents of the experiments with methods of replay, and how they are trained."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from ..agents import SAC
from ..agents.method import Method
from ..agents.plasticity.resets import Resets
from ..agents.replay import AdaptiveReplayRatio, CausalityAwareEntropy, WarmStart
from ..agents.replay.causal_effects import reward_effects, weights_of
from ..agents.replay.newest import newest_transitions
from ..wrappers import info as info_names
from .probe_replay import ProbeAdaptiveReplayRatio, ProbeCausalityAwareEntropy, ProbeWarmStart

EVALUATED_EPISODES = 10
RANDOM_STEPS = 300
DIMENSIONS, LIVE = 4, 1


class LiveAndDummies(gymnasium.ActionWrapper[Any, Any, Any]):
    """Pendulum whose torque is one of four action dimensions; the others do nothing.

    Args:
        task: "swing-up" for Pendulum's own rewards, "spin" for its angular velocity as the reward.
    """

    def __init__(self, task: str = "swing-up") -> None:
        super().__init__(gymnasium.make("Pendulum-v1"))
        self.action_space = spaces.Box(-2, 2, (DIMENSIONS,))
        self.task = task

    def action(self, action: Any) -> Any:
        """Return the torque alone."""
        return action[LIVE : LIVE + 1]

    def step(self, action: Any) -> Any:
        """Step, and pay for the task."""
        observation, reward, *rest = super().step(action)
        return observation, float(observation[2]) if self.task == "spin" else reward, *rest


class Turned(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Pendulum whose torque turns around when it is told to, and which tells so."""

    def __init__(self) -> None:
        super().__init__(gymnasium.make("Pendulum-v1"))
        self.sign, self.tells = 1, False

    def turn(self) -> None:
        """Turn the torque around, and tell it with the next step."""
        self.sign, self.tells = -self.sign, True

    def step(self, action: Any) -> Any:
        """Step, and tell a change."""
        *rest, info = super().step(self.sign * action)
        if self.tells:
            info[info_names.BOUNDARY], self.tells = True, False
        return *rest, info


def adaptive_rows(settings: ProbeAdaptiveReplayRatio, seed: int) -> Iterator[dict[str, Any]]:
    """Train agents with fixed and with adaptive replay ratios.

    Args:
        settings: of the experiment.
        seed: of each agent.

    Yields:
        A row at each evaluation.
    """
    adaptive = AdaptiveReplayRatio(check_every=settings.check_every)
    kinds: dict[str, tuple[float, list[Method]]] = {
        "ratio 0.5": (0.5, []),
        "ratio 2": (2.0, []),
        "adaptive": (0.5, [adaptive]),
        "primed, adaptive": (0.5, [adaptive]),
    }
    for kind in settings.chosen:
        ratio, methods = kinds[kind]
        agent = _make(make_vec_env("Pendulum-v1", 1), seed, methods, ratio)
        if kind.startswith("primed"):
            agent.learn(RANDOM_STEPS)
            agent.train(settings.priming, agent.batch_size)
        primed = agent._n_updates
        switched_at = None
        for row in _learn(agent, settings.steps, settings.every, "Pendulum-v1"):
            watch: Any = agent.methods[0].watch if agent.methods else None
            if watch is not None and watch.ratio == adaptive.high and switched_at is None:
                switched_at = row["step"]
            yield {
                "agent": kind,
                "seed": seed,
                **row,
                "updates": agent._n_updates - primed,
                "switched_at": switched_at,
                "checks": watch.checks if watch is not None else 0,
                "active_units": watch.mean if watch is not None and watch.checks else None,
            }


def causality_rows(settings: ProbeCausalityAwareEntropy, seed: int) -> Iterator[dict[str, Any]]:
    """Train agents that explore along all dimensions alike, or along those that matter.

    Args:
        settings: of the experiment.
        seed: of each agent.

    Yields:
        A row at each evaluation.
    """
    own = {"every_steps": settings.every, "samples": settings.every}
    kinds: dict[str, list[Method]] = {
        "plain": [],
        "signed": [CausalityAwareEntropy(**own)],  # type: ignore[arg-type]
        "absolute": [CausalityAwareEntropy(influence="absolute", **own)],  # type: ignore[arg-type]
    }
    world = partial(LiveAndDummies, settings.task)
    for kind in settings.chosen:
        agent = _make(make_vec_env(world, 1), seed, kinds[kind], settings.replay_ratio)
        assert agent.replay_buffer is not None
        for row in _learn(agent, settings.steps, settings.every, world):
            number = settings.steps if row["step"] >= settings.steps else settings.every
            transitions = newest_transitions(agent.replay_buffer, number)
            effects = reward_effects(transitions, "least-squares")
            weights = weights_of(effects, "signed" if kind == "signed" else "absolute")
            yield {
                "agent": kind,
                "seed": seed,
                **row,
                "live_weight": float(weights[LIVE]),
                "dummy_weight": float(np.delete(weights, LIVE).max()),
                "live_effect": float(effects[LIVE]),
                "effects": effects.tolist(),
                "own_weights": _own_weights(agent),
            }


def warm_start_rows(settings: ProbeWarmStart, seed: int) -> Iterator[dict[str, Any]]:
    """Train agents that start again in several ways after a change.

    Args:
        settings: of the experiment.
        seed: of each agent.

    Yields:
        A row at each evaluation after the change.
    """
    donor = _make(make_vec_env(Turned, 1), seed, [], 1.0)
    donor.learn(settings.donor_steps)
    before = _evaluate(donor, Turned, 1)
    file = io.BytesIO()
    donor.save(file)
    drop = WarmStart(steps=0, ratio=None, at_start=False)
    warm = WarmStart(steps=settings.frozen_steps, ratio=None, at_start=False)
    kinds: dict[str, list[Method]] = {
        "keep": [WarmStart(steps=0, ratio=None, at_start=False, at_change=False)],
        "drop": [drop],
        "drop, frozen": [warm],
        "drop, reset": [drop, Resets(every_steps=None, at_change=True)],
    }
    for kind in settings.chosen:
        env = make_vec_env(Turned, 1, seed=seed + 1)
        agent = SAC.load(file, env=env, device="cpu", methods=kinds[kind], seed=seed + 1)
        agent.replay_buffer = copy.deepcopy(donor.replay_buffer)
        env.env_method("turn")
        returns: list[float] = []
        for row in _learn(agent, settings.steps, settings.every, Turned, turned=True):
            returns.append(row["return"])
            yield {
                "agent": kind,
                "seed": seed,
                **row,
                "before": before,
                "value": _mean_value(agent),
                "lowest_return": min(returns),
                "mean_return": float(np.mean(returns)),
            }


def _make(env: Any, seed: int, methods: Sequence[Method], ratio: float) -> SAC:
    return SAC(
        "MlpPolicy",
        env,
        methods=methods,
        learning_rate=1e-3,
        batch_size=64,
        buffer_size=20_000,
        learning_starts=RANDOM_STEPS,
        replay_ratio=ratio,
        policy_kwargs={"net_arch": [64, 64]},
        backend="eager",
        diagnostics=False,
        seed=seed,
        device="cpu",
    )


def _learn(
    agent: SAC, steps: int, every: int, world: str | Callable[[], Any], turned: bool = False
) -> Iterator[dict[str, Any]]:
    """Learn until so many steps are taken, or so many more where the world has turned."""
    begun = agent.num_timesteps if turned else 0
    for step in range(every, steps + 1, every):
        if (missing := begun + step - agent.num_timesteps) > 0:
            agent.learn(missing, reset_num_timesteps=False)
        yield {"step": step, "return": _evaluate(agent, world, -1 if turned else 1)}


def _evaluate(agent: SAC, world: str | Callable[[], Any], sign: int) -> float:
    """Return the mean return of some episodes, which begin alike for all agents."""
    state = np.random.get_state()
    worlds = make_vec_env(world, EVALUATED_EPISODES, seed=1_000)
    if sign < 0:
        worlds.env_method("turn")
    returns, _ = evaluate_policy(
        agent, worlds, EVALUATED_EPISODES, return_episode_rewards=True, warn=False
    )
    np.random.set_state(state)
    return float(np.mean(returns))


def _mean_value(agent: SAC) -> float:
    """Return what the critics expect on average of the newest 500 transitions."""
    assert agent.replay_buffer is not None
    newest = newest_transitions(agent.replay_buffer, 500)
    observations, actions = torch.as_tensor(newest.observations), torch.as_tensor(newest.actions)
    with torch.no_grad():
        values = torch.cat(agent.critic(observations, actions), dim=1).amin(dim=1)
    return float(values.mean())


def _own_weights(agent: SAC) -> list[float]:
    if not agent.methods:
        return [1.0] * DIMENSIONS
    return [float(weight) for weight in agent.methods[0].get_buffer("weights")]
