"""The agents whose updates with methods are measured beside one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.logger import Logger
from torch import nn

from ...agents import PPO, SAC
from ...agents.method import Method
from .learner import ROLLOUT, Shape
from .methods import PLAIN, BenchmarkMethods
from .ppo import StillWorld, fill_rollout
from .rounds import machine_speed, run_rounds

if TYPE_CHECKING:
    from .rounds import Reading

PPO_SHAPE = Shape("HalfCheetah", 17, 6, 64, 64)
SAC_SHAPE = Shape("HalfCheetah", 17, 6, 256, 256)

EPOCHS = 10
"""Of PPO's iteration, as by default: what is done once an iteration weighs as it does in a run."""

UPDATES = {"ppo": EPOCHS * ROLLOUT // PPO_SHAPE.batch_size, "sac": 8}
"""Gradient steps in one turn, by agent."""


def cost_rows(
    kind: str, backend: str, methods: Mapping[str, Method], settings: BenchmarkMethods
) -> list[dict[str, Any]]:
    """Measure updates with each method and without.

    Args:
        kind: "ppo" or "sac".
        backend: how updates are computed; where a method can't have it, how they are is told.
        methods: by what they are called.
        settings: how many rounds.
    """
    make = {"ppo": _make_ppo, "sac": _make_sac}[kind]
    agents = {PLAIN: make(backend, [])}
    agents |= {name: make(backend, [method]) for name, method in methods.items()}
    turns: dict[str, Callable[[], None]] = {
        name: agent.train if kind == "ppo" else partial(agent.train, UPDATES["sac"], 256)
        for name, agent in agents.items()
    }
    rounds = run_rounds(turns, settings.rounds, settings.most_rounds, machine_speed, waits=0)
    used = [one.readings for one in rounds.used()]

    def ratio(name: str, took: Mapping[str, Reading]) -> float:
        return took[name].cpu / took[PLAIN].cpu

    return [
        {
            "agent": kind,
            "method": name,
            "settings": {m.name: m.settings() for m in agents[name].methods},
            "backend": agents[name].backend_in_use,
            "microseconds": median(took[name].cpu for took in used) / UPDATES[kind] * 1e6,
            "ratio": median(ratio(name, took) for took in used),
            "lowest_ratio": min(ratio(name, took) for took in used),
            "highest_ratio": max(ratio(name, took) for took in used),
            "rounds": len(rounds.accepted()),
            "rejected": len(rounds.rejected()),
        }
        for name in agents
    ]


def _make_ppo(backend: str, methods: list[Method]) -> Any:
    agent = PPO(
        "MlpPolicy",
        StillWorld(PPO_SHAPE),
        n_steps=ROLLOUT,
        n_epochs=EPOCHS,
        batch_size=PPO_SHAPE.batch_size,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": [PPO_SHAPE.width] * 2, "activation_fn": nn.Tanh},
        backend=backend,
        diagnostics=False,
        methods=methods,
    )
    agent.set_logger(Logger(None, []))
    fill_rollout(agent.rollout_buffer)
    return agent


def _make_sac(backend: str, methods: list[Method]) -> Any:
    agent = SAC(
        "MlpPolicy",
        StillWorld(SAC_SHAPE),
        learning_starts=SAC_SHAPE.batch_size,
        buffer_size=2 * SAC_SHAPE.batch_size,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": [SAC_SHAPE.width] * 2},
        backend=backend,
        diagnostics=False,
        methods=methods,
    )
    agent.set_logger(Logger(None, []))
    # Random actions fill the buffer, and one gradient step follows.
    agent.learn(SAC_SHAPE.batch_size + 1)
    return agent
