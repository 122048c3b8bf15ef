"""The settings of a PPO run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .settings import RunSettings, activation_class, own_settings, require

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.method import Method

ROLLOUT_STEPS = 2048
"""Environment steps in one rollout over all copies, where `n_steps` is not given."""


@dataclass(frozen=True)
class TrainPPO(RunSettings):
    """Train PPO in a changing world.

    The defaults are those of the standard PPO of Dohare et al., "Loss of plasticity in deep
    continual learning", Nature 632 (2024), as in the configurations published with it. Their
    runs with continual backprop also set adam_beta1 and adam_beta2 to 0.99 and weight_decay
    to 1e-4.
    """

    n_steps: int | None = None
    """Steps of each copy in one rollout; by default all copies together make 2048."""

    batch_size: int = 128
    """Transitions in one gradient step (Dohare et al.: 16 minibatches of 128)."""

    n_epochs: int = 10
    """Passes over each rollout (Dohare et al.)."""

    learning_rate: float = 1e-4
    """Adam's step size, constant over the run (Dohare et al.)."""

    gamma: float = 0.99
    """Discount factor (Dohare et al.)."""

    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation (Dohare et al.)."""

    clip_range: float = 0.2
    """Clip range of the probability ratio (Dohare et al.)."""

    entropy_coefficient: float = 0.0
    """Weight of the entropy bonus (Dohare et al.: none)."""

    value_coefficient: float = 1.0
    """Weight of the value function's mean squared error (Dohare et al.)."""

    max_grad_norm: float = 1e9
    """Largest norm of the gradient (Dohare et al.: so large that it never acts)."""

    adam_beta1: float = 0.9
    """Adam's decay of the mean (Dohare et al.: 0.9, and 0.99 for "proper Adam")."""

    adam_beta2: float = 0.999
    """Adam's decay of the square (Dohare et al.: 0.999, and 0.99 for "proper Adam")."""

    adam_epsilon: float = 1e-8
    """Adam's addend to the denominator (torch's default, as in Dohare et al.)."""

    weight_decay: float = 0.0
    """L2 penalty inside Adam, added to the gradient (Dohare et al.: 0; with L2, 1e-4 or 1e-3)."""

    hidden_sizes: tuple[int, ...] = (256, 256)
    """Units of each hidden layer, for the policy and the value function alike (Dohare et al.)."""

    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = "relu"
    """Activation of the hidden layers (Dohare et al.: relu)."""

    log_std_init: float = 0.0
    """Initial logarithm of the standard deviation of continuous actions (Dohare et al.: 0)."""

    backend: Literal["auto", "compiled", "eager", "reference"] = "auto"
    """What computes the update; auto compiles it for long runs if there is a C++ compiler."""

    agent: ClassVar[str] = "ppo"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range; `train` calls it first."""
        super().check()
        for name in ("n_epochs", "learning_rate", "clip_range", "max_grad_norm", "adam_epsilon"):
            require(self, name, getattr(self, name) > 0, "more than 0")
        for name in ("entropy_coefficient", "value_coefficient", "weight_decay"):
            require(self, name, getattr(self, name) >= 0, "0 or more")
        for name in ("gamma", "gae_lambda"):
            require(self, name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("adam_beta1", "adam_beta2"):
            require(self, name, 0 <= getattr(self, name) < 1, "0 or more and less than 1")
        require(self, "batch_size", self.batch_size >= 2, "2 or more")
        require(self, "n_steps", self.rollout_length >= 1, "1 or more")
        require(self, "n_steps", self.n_envs * self.rollout_length >= 2, "2 or more for one copy")
        require(self, "hidden_sizes", min(self.hidden_sizes, default=1) >= 1, "1 or more each")

    @property
    def rollout_length(self) -> int:
        """Steps of each copy in one rollout."""
        return max(ROLLOUT_STEPS // self.n_envs, 1) if self.n_steps is None else self.n_steps

    @property
    def iteration_length(self) -> int:
        """Environment steps in an iteration, over all copies: a rollout."""
        return self.n_envs * self.rollout_length

    def learner(self) -> dict[str, Any]:
        """Return all settings of PPO alone, with nothing left to be filled in."""
        return {**own_settings(self), "n_steps": self.rollout_length}

    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn in `env`.

        Args:
            env: the copies of the world.
            methods: what keeps the agent able to learn, in the order given.
        """
        from ..agents import PPO

        return PPO(
            "MlpPolicy",
            env,
            methods=list(methods),
            backend=self.backend,
            diagnostics=self.diagnosed,
            seed=self.seed,
            device=self.device,
            n_steps=self.rollout_length,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            learning_rate=self.learning_rate,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            clip_range=self.clip_range,
            ent_coef=self.entropy_coefficient,
            vf_coef=self.value_coefficient,
            max_grad_norm=self.max_grad_norm,
            policy_kwargs={
                "net_arch": list(self.hidden_sizes),
                "activation_fn": activation_class(self.activation),
                "log_std_init": self.log_std_init,
                "optimizer_kwargs": {
                    "betas": (self.adam_beta1, self.adam_beta2),
                    "eps": self.adam_epsilon,
                    "weight_decay": self.weight_decay,
                },
            },
        )
