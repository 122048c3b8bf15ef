"""How to switch each method on, so that it acts within a few gradient steps, and off again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium

from everlearn.agents.method import Method, needs_replay, needs_rollouts
from everlearn.agents.registry import make_method


@dataclass(frozen=True)
class Case:
    """How to switch a method off, and how to make it act within a few gradient steps."""

    on: Mapping[str, Any]
    off: Mapping[str, Any] | None = None
    wrong: Mapping[str, Any] = field(default_factory=dict)
    observes: bool = False
    """Whether it changes nothing of the agent by itself."""
    world: str = "Pendulum-v1"
    """Where it acts, if actions are numbers."""


class TwoTorques(gymnasium.ActionWrapper[Any, Any, Any]):
    """Pendulum with a second action dimension, which does nothing."""

    def __init__(self, **own: Any) -> None:
        super().__init__(gymnasium.make("Pendulum-v1", **own).unwrapped)
        self.action_space = gymnasium.spaces.Box(-2, 2, (2,))

    def action(self, action: Any) -> Any:
        return action[:1]


gymnasium.register("TwoTorques-v0", entry_point=TwoTorques, max_episode_steps=200)


def penalty(**wrong: Any) -> Case:
    wrong = {"coefficient": -1, **wrong}
    return Case(on={"coefficient": 0.1}, off={"coefficient": 0.0}, wrong=wrong)


CASES = {
    "adaptive-replay-ratio": Case(
        on={"low": 0.25, "high": 1.0, "check_every": 1, "gap": 1.0, "min_checks": 1},
        off={"low": 0.25, "high": 0.25},
        wrong={"low": 0, "high": 0.1, "window": 51, "gap": -1, "least_active": 0.5, "rule": "up"},
    ),
    "causality-aware-entropy": Case(
        on={"every_steps": 40, "samples": 40, "estimator": "least-squares"},
        off={"influence": "off"},
        wrong={"every_steps": 0, "samples": 1, "influence": "on", "estimator": "pc"},
        world="TwoTorques-v0",
    ),
    "warm-start": Case(
        on={"steps": 60, "ratio": None},
        off={"steps": 0, "ratio": None},
        wrong={"steps": -1, "ratio": -1, "buffer": "lose"},
    ),
    "cautious": Case(on={}),
    "change-detection": Case(
        on={"every_steps": 8, "window": 3, "memory": 16, "hidden_size": 8},
        off={},
        wrong={
            "every_steps": 0,
            "memory": 1,
            "window": 2,
            "threshold": 0,
            "test": "mine",
            "least_deviation": -1,
        },
        observes=True,
    ),
    "continual-backprop": Case(
        on={"replacement_rate": 0.05, "maturity": 3},
        off={"replacement_rate": 0.0},
        wrong={"replacement_rate": -1},
    ),
    "dormant-gradient-perturbation": Case(
        on={"every_updates": 5},
        off={"every_updates": None},
        wrong={"least_kept": -1, "dormant_threshold": -1},
    ),
    "drm-perturbation": Case(
        on={"every_updates": 5, "every_steps": None, "law": "orthogonal"},
        off={"every_steps": None},
        wrong={"most_kept": 2},
    ),
    "plasticity-injection": Case(
        on={"every_updates": 5},
        off={"at_change": False},
        wrong={"last_layers": -1},
    ),
    "reactive-exploration": Case(
        on={"every_steps": 8, "memory": 16, "dynamics_share": 0.5, "hidden_size": 8},
        off={"dynamics_share": 0.0, "reward_share": 0.0},
        wrong={"dynamics_share": 2, "reward_scale": -1, "memory": 1, "features": "good"},
    ),
    "experts": Case(
        # So hasty that noise alone is an alarm.
        on={
            **{"every_steps": 2, "window": 3, "threshold": 0.1, "acceptance": 1e-3},
            **{"least_deviation": 0.0, "updates": 1, "hidden_size": 8},
        },
        off={"most": 1},
        wrong={"most": 0, "acceptance": 0, "every_steps": 0, "window": 2},
    ),
    "redo": Case(
        on={"every_updates": 3, "dormant_threshold": 0.9},
        off={"every_updates": None},
        wrong={"dormant_threshold": -0.1, "every_updates": 0},
    ),
    "resets": Case(
        on={"every_updates": 5, "keep": 0.5},
        off={"every_steps": None},
        wrong={"keep": 1.5, "every_steps": 0, "last_layers": -1, "target": "hold", "threshold": 2},
    ),
    "self-normalized-resets": Case(
        on={"rejection_percentile": 0.5, "longest_silence": 3, "threshold": 0.5},
        off={"rejection_percentile": 0.0},
        wrong={"rejection_percentile": 1, "longest_silence": 0, "shortest_silence": 0},
    ),
    "shrink-and-perturb": Case(
        on={"shrink": 0.01, "noise": 0.01},
        off={"shrink": 0.0, "noise": 0.0},
        wrong={"shrink": 2, "noise": -1},
    ),
    "ash": Case(on={"hard": True, "offset": 0.0}, wrong={"sharpness": 0}),
    "cotasp": Case(
        on={"weight_updates": 3, "prompt_updates": 2, "distillation_steps": 3},
        wrong={
            **{"sparsity": 0, "distillation_rate": 0, "weight_updates": 0},
            **{"prompt_updates": -1, "distillation_steps": -1, "distillation_batch": 0},
            **{"first_layer": "norm", "explore": "all"},
        },
    ),
    "crelu": Case(on={}),
    "deep-fourier": Case(on={}),
    "elephant": Case(on={}, wrong={"width": 0, "power": 0, "bias_deviation": -1}),
    "layer-norm": Case(on={}),
    "nap": Case(on={"affine": True}, wrong={"norm": "batch"}),
    "weight-norm": Case(on={}),
    "churn-reduction": Case(
        on={"actor_coefficient": 1.0, "critic_coefficient": 0.1, "delay": 2},
        off={"actor_coefficient": 0.0},
        wrong={"actor_coefficient": -1, "critic_coefficient": -1, "delay": 0},
    ),
    "l2": penalty(),
    "l2-init": penalty(),
    "a-gem": Case(
        on={"memory_size": 20, "batch_size": 7}, wrong={"memory_size": 0, "batch_size": 0}
    ),
    "clear": Case(
        on={"length": 8, "memory_size": 80, "sequences": 2},
        off={"sequences": 0},
        wrong={
            **{"length": 1, "memory_size": 3, "sequences": -1, "policy_cloning": -1},
            **{"value_cloning": -1, "value_coefficient": -1, "gamma": 2},
        },
    ),
    "clonex": Case(
        on={"coefficient": 1.0, "memory_size": 20, "batch_size": 7, "explore_by": "previous"},
        off={"coefficient": 0.0},
        wrong={"coefficient": -1, "memory_size": 0, "batch_size": 0, "explore_by": "best"},
    ),
    "fine-tuning": Case(
        on={"keep_temperature": True},
        off={"keep_replay": True, "keep_optimizer": True, "keep_temperature": True},
    ),
    "l2-previous": penalty(),
    "l2m": Case(on={"pool_size": 3, "rank": 2}, wrong={"pool_size": 0, "rank": 0, "pull": -1}),
    "mas": Case(
        on={"coefficient": 0.1, "observations": 20},
        off={"coefficient": 0.0},
        wrong={"coefficient": -1, "observations": 0},
    ),
    "multi-head": Case(on={"critics": True}),
    "online-ewc": Case(
        on={"coefficient": 0.1, "observations": 20, "decay": 0.9},
        off={"coefficient": 0.0},
        wrong={"coefficient": -1, "decay": 2, "observations": 0, "smallest": -1, "stabilizer": -1},
    ),
    "packnet": Case(
        on={"n_tasks": 3, "retrain_steps": 5, "retrain_clip": 0.1},
        wrong={"n_tasks": 0, "retrain_steps": -1, "retrain_clip": 0},
    ),
    "perfect-memory": Case(on={}),
    "reset-and-distill": Case(
        on={"memory_size": 20, "distill_steps": 3, "batch_size": 8},
        wrong={"memory_size": 0, "distill_steps": -1, "batch_size": 0, "distill_rate": 0},
    ),
    "tail": Case(on={"rank": 2}, wrong={"rank": 0}),
    "wsn": Case(on={"share": 0.5}, off={"share": 1.0}, wrong={"share": 0, "score_rate": 0}),
    "parseval": penalty(scale=0),
    "spectral": penalty(power=1),
    "wasserstein": penalty(),
    "core": Case(on={}, wrong={"smallest_step": 0, "growth": 0.5, "frozen": 2}),
    "equal-betas-adam": Case(on={}, wrong={"beta": 1, "weight_decay": -1}),
    "infinite-schedule": Case(
        on={"warmup_steps": 100, "cooldown_steps": 150},
        off={"warmup_steps": 0, "cooldown_steps": 0, "constant": 1.0},
        wrong={"constant": 2, "warmup_steps": -1, "anneal_steps": 0, "minimum": 0},
    ),
    "lion": Case(on={"weight_decay": 0.1}, wrong={"beta1": 1, "weight_decay": -1}),
    "trac": Case(on={"initial_scale": 0.1}, wrong={"epsilon": 0}),
    "upgd": Case(on={}, wrong={"noise": -1, "utility_decay": 1, "form": "mine"}),
}


def switched_on(name: str) -> Method:
    """Build a method that acts.

    Args:
        name: one of `CASES`.
    """
    return make_method(name, **CASES[name].on)


def in_words(name: str) -> str:
    """Return what is said to a training script for a method that acts.

    Args:
        name: one of `CASES`.
    """
    settings = ",".join(f"{key}={value}" for key, value in CASES[name].on.items())
    return f"{name}:{settings}" if settings else name


REPLAYING = {name for name in CASES if needs_replay(switched_on(name))}
"""What works only with an agent that learns from a replay buffer."""

ON_PPO = [name for name in CASES if name not in REPLAYING]
ON_SAC = [name for name in CASES if not needs_rollouts(switched_on(name))]
