"""The settings of a CoTASP run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .settings import RunSettings, StepIterations, own_settings, require

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.method import Method


@dataclass(frozen=True)
class TrainCoTASP(StepIterations, RunSettings):
    """Train CoTASP on a sequence of tasks: SAC, whose neurons are allocated by sparse prompts.

    Yang et al., "Continual task allocation in meta-policy network via sparse prompting" (ICML
    2023); the defaults are its published settings for Continual World. What is done otherwise:
    standard deviations are exponentials (theirs: softplus), output layers begin by torch's law
    (theirs: near 0), critics see no other layer norm than before each activation, and rewards are
    not scaled. For a machine without a cluster choose a short stream, smaller networks and a
    larger sparsity: --stream everlearn/CW3-v0 --actor-sizes 256 256 --critic-sizes 256 256
    --prompts sparsity=0.01,distillation_steps=2000.
    """

    stream: str = "everlearn/CW10-v0"
    """The sequence of tasks to learn: a name, or name:setting=value,setting=value."""

    total_steps: int = 10_000_000
    """Environment steps to train for, over all copies (published: 1,000,000 a task)."""

    n_envs: int = 1
    """Copies of the world that are stepped together (published: 1)."""

    evaluation_episodes: int = 10
    """Episodes of each task in an evaluation (published: 10)."""

    prompts: str = "first_layer=norm-tanh"
    """Settings of the method `cotasp`, as name=value,name=value; docs/tasks.md lists them."""

    iteration_steps: int = 1000
    """Environment steps in an iteration, over all copies: one row of the log."""

    replay_ratio: float = 1.0
    """Gradient steps for each environment step of each copy (published: 1)."""

    buffer_size: int = 1_000_000
    """Transitions kept for replay, of the present task alone (published)."""

    learning_starts: int = 10_000
    """Steps of exploration before each task is learned, over all copies (published)."""

    batch_size: int = 256
    """Transitions in one gradient step (published)."""

    learning_rate: float = 3e-4
    """Adam's step size for weights, prompts, critics and temperature (published)."""

    gamma: float = 0.99
    """Discount factor (published)."""

    tau: float = 0.005
    """How far the target networks move towards the critics at each update (published)."""

    initial_temperature: float = math.e
    """Weight of the entropy at the beginning of each task; it is learned (published: e)."""

    target_entropy_scale: float = -0.5
    """Entropy the temperature aims at, for each action dimension (published: -2 for four)."""

    actor_sizes: tuple[int, ...] = (1024, 1024, 1024, 1024)
    """Units of the policy's hidden layers, which the tasks share (published)."""

    critic_sizes: tuple[int, ...] = (256, 256, 256, 256)
    """Units of each critic's hidden layers, which begin anew at each task (published)."""

    agent: ClassVar[str] = "cotasp"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range; `train` calls it first."""
        super().check()
        for name in ("iteration_steps", "buffer_size", "batch_size"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        for name in ("learning_rate", "initial_temperature"):
            require(self, name, getattr(self, name) > 0, "more than 0")
        for name in ("gamma", "tau"):
            require(self, name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("actor_sizes", "critic_sizes"):
            require(self, name, min(getattr(self, name), default=0) >= 1, "1 or more each")
        require(self, "learning_starts", self.learning_starts >= 0, "0 or more")
        require(self, "replay_ratio", 0 <= self.replay_ratio < float("inf"), "0 or more")
        self._method()

    def learner(self) -> dict[str, Any]:
        """Return all settings of CoTASP alone."""
        return own_settings(self)

    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn in `env`.

        Args:
            env: the copies of the world.
            methods: what acts beside CoTASP, in the order given.
        """
        from torch import nn

        from ..agents import SAC

        return SAC(
            "MlpPolicy",
            env,
            methods=[self._method(), *methods],
            diagnostics=self.diagnosed,
            iteration_steps=self.iteration_steps,
            replay_ratio=self.replay_ratio,
            layer_norm="critic",
            seed=self.seed,
            device=self.device,
            buffer_size=self.buffer_size,
            learning_starts=self.learning_starts,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            gamma=self.gamma,
            tau=self.tau,
            ent_coef=f"auto_{self.initial_temperature}",
            target_entropy=self.target_entropy_scale * float(np.prod(env.action_space.shape or 1)),
            policy_kwargs={
                "net_arch": {"pi": list(self.actor_sizes), "qf": list(self.critic_sizes)},
                "activation_fn": nn.LeakyReLU,
            },
        )

    def _method(self) -> Method:
        from ..agents.registry import parse_method

        return parse_method(f"cotasp:{self.prompts}" if self.prompts else "cotasp")
