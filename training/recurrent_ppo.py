"""The settings of a recurrent PPO run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .settings import NoDiagnostics, activation_class, own_settings, require

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.method import Method


@dataclass(frozen=True)
class TrainRecurrentPPO(NoDiagnostics):
    """Train PPO with an LSTM, sb3-contrib's, in a changing world.

    The defaults are those of `sb3_contrib.RecurrentPPO`. What the LSTM reads are observations
    alone: `scripts/train_secbad.py --base recurrent-ppo --context history:frames=1` shows it the
    last action and reward too.
    """

    stream: str = "everlearn/CartPoleForceSign-v0"
    """The changing world to learn in: a name, or name:setting=value,setting=value."""

    methods: tuple[str, ...] = ()
    """What keeps the agent able to learn: those that docs/context.md names, each with or without
    :setting=value,...; it refuses the others."""

    n_steps: int = 128
    """Steps of each copy in one rollout, at whose ends gradients through time end (sb3-contrib)."""

    batch_size: int = 128
    """Transitions in one gradient step, in sequences that follow each other (sb3-contrib)."""

    n_epochs: int = 10
    """Passes over each rollout (sb3-contrib)."""

    learning_rate: float = 3e-4
    """Adam's step size, constant over the run (sb3-contrib)."""

    gamma: float = 0.99
    """Discount factor (sb3-contrib)."""

    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation (sb3-contrib)."""

    clip_range: float = 0.2
    """Clip range of the probability ratio (sb3-contrib)."""

    entropy_coefficient: float = 0.0
    """Weight of the entropy bonus (sb3-contrib)."""

    value_coefficient: float = 0.5
    """Weight of the value function's mean squared error (sb3-contrib)."""

    max_grad_norm: float = 0.5
    """Largest norm of the gradient (sb3-contrib)."""

    lstm_size: int = 256
    """Units of each LSTM, of which policy and value function have one each (sb3-contrib)."""

    lstm_layers: int = 1
    """Layers of each LSTM (sb3-contrib)."""

    critic_lstm: bool = True
    """Whether the value function has an LSTM, or only sees the present (sb3-contrib: it has)."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Units of each hidden layer behind the LSTM, for policy and value function (sb3-contrib)."""

    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = "tanh"
    """Activation of the hidden layers (sb3-contrib)."""

    log_std_init: float = 0.0
    """Initial logarithm of the standard deviation of continuous actions (sb3-contrib)."""

    backend: Literal["fused", "reference"] = "fused"
    """Whether sequences go through the LSTM at once, or as in sb3-contrib, bit for bit."""

    agent: ClassVar[str] = "recurrent-ppo"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range; `train` calls it first."""
        super().check()
        for name in ("n_epochs", "learning_rate", "clip_range", "max_grad_norm"):
            require(self, name, getattr(self, name) > 0, "more than 0")
        for name in ("entropy_coefficient", "value_coefficient"):
            require(self, name, getattr(self, name) >= 0, "0 or more")
        for name in ("gamma", "gae_lambda"):
            require(self, name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("n_steps", "lstm_size", "lstm_layers"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "batch_size", self.batch_size >= 2, "2 or more")
        # One transition has no deviation by which its advantage could be scaled.
        alone = self.iteration_length % self.batch_size == 1
        allowed = "such that no minibatch is left with a single transition"
        require(self, "batch_size", not alone, allowed)
        require(self, "hidden_sizes", min(self.hidden_sizes, default=1) >= 1, "1 or more each")

    @property
    def iteration_length(self) -> int:
        """Environment steps in an iteration, over all copies: a rollout."""
        return self.n_envs * self.n_steps

    def learner(self) -> dict[str, Any]:
        """Return all settings of recurrent PPO alone."""
        return own_settings(self)

    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn in `env`.

        Args:
            env: the copies of the world.
            methods: what keeps the agent able to learn, in the order given.
        """
        from ..agents.recurrent_ppo import RecurrentPPO

        return RecurrentPPO(
            "MlpLstmPolicy",
            env,
            methods=list(methods),
            backend=self.backend,
            seed=self.seed,
            device=self.device,
            n_steps=self.n_steps,
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
                "lstm_hidden_size": self.lstm_size,
                "n_lstm_layers": self.lstm_layers,
                "enable_critic_lstm": self.critic_lstm,
            },
        )
