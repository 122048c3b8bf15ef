"""The settings of a SAC run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..wrappers.errors import SettingsError
from .replay import Kept, check_replay, replay_settings
from .settings import RunSettings, StepIterations, activation_class, own_settings, require

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.method import Method


@dataclass(frozen=True)
class TrainSAC(StepIterations, RunSettings):
    """Train SAC in a changing world.

    The defaults are those of Haarnoja et al., "Soft actor-critic algorithms and applications"
    (2018), Table 1, which are also stable-baselines3's, but for what says otherwise.
    """

    n_envs: int = 1
    """Copies of the world that are stepped together (Haarnoja et al.: 1)."""

    iteration_steps: int = 1000
    """Environment steps in an iteration, over all copies: one row of the log."""

    replay_ratio: float = 1.0
    """Gradient steps for each environment step of each copy (Haarnoja et al.: 1)."""

    buffer_size: int = 1_000_000
    """Transitions kept for replay, over all copies (Haarnoja et al.)."""

    replay: Kept = "newest"
    """Which transitions are kept: the newest, a fair sample of all that came (reservoir; Vitter
    1985), or a fair sample of each context that the stream tells (per-task), a tenth for each."""

    present_share: float | None = None
    """With --replay per-task, the present context's part of each batch; equal parts by default."""

    n_steps: int = 1
    """Steps over which the critics' targets add up rewards (Haarnoja et al.: 1; DrQ-v2: 3)."""

    earlier_runs: tuple[str, ...] = ()
    """Run folders of earlier SAC runs, or collected sets, to learn from too (Replay across
    Experiments, Tirumala et al. 2023)."""

    earlier_share: float = 0.5
    """Part of each batch that comes from them (Tirumala et al.: half)."""

    memmap_folder: str | None = None
    """A folder, such as that of the runs, on whose disk the replay buffer lies in a memory-mapped
    file; in memory by default. No result depends on it, and a run that goes on may have another."""

    learning_starts: int = 10_000
    """Random steps before learning, over all copies (their published code; SB3: 100)."""

    batch_size: int = 256
    """Transitions in one gradient step (Haarnoja et al.)."""

    learning_rate: float = 3e-4
    """Adam's step size for actor, critics and temperature (Haarnoja et al.)."""

    gamma: float = 0.99
    """Discount factor (Haarnoja et al.)."""

    tau: float = 0.005
    """How far the target networks move towards the critics at each update (Haarnoja et al.)."""

    temperature: float | Literal["auto"] = "auto"
    """Weight of the entropy; auto learns it, starting at 1 (Haarnoja et al.: learned)."""

    target_entropy_scale: float = -1.0
    """Entropy a learned temperature aims at, for each action dimension (Haarnoja et al.: -1)."""

    adam_beta1: float = 0.9
    """Adam's decay of the mean (torch's default; SB3)."""

    adam_beta2: float = 0.999
    """Adam's decay of the square (torch's default; SB3)."""

    adam_epsilon: float = 1e-8
    """Adam's addend to the denominator (torch's default; SB3)."""

    weight_decay: float = 0.0
    """L2 penalty inside Adam, added to the gradient (SB3: 0)."""

    decoupled_weight_decay: bool = False
    """Whether the weight decay shrinks the weights instead, as in AdamW (SB3: no; BRO: yes)."""

    hidden_sizes: tuple[int, ...] = (256, 256)
    """Units of each hidden layer, for the actor and each critic alike (Haarnoja et al.)."""

    actor_sizes: tuple[int, ...] | None = None
    """Units of the actor's hidden layers, if others (Haarnoja et al.: the same; BRO: half)."""

    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = "relu"
    """Activation of the hidden layers (Haarnoja et al.: relu)."""

    n_critics: int = 2
    """Number of critics (Haarnoja et al.: 2; REDQ, Chen et al. 2021: 10)."""

    layer_norm: Literal["none", "critic", "both"] = "none"
    """Which networks have a layer norm before each activation (DroQ, Hiraoka 2022: critic)."""

    residual_blocks: bool = False
    """Whether these are of residual blocks: one layer, then a block of two for each further one
    (BroNet, Nauman et al. 2024)."""

    actor_delay: int = 1
    """Critic steps for each step of actor and temperature (Haarnoja et al.: 1; ACE: 2)."""

    target_update_interval: int = 1
    """Critic steps from one move of the target networks to the next (Haarnoja et al.: 1)."""

    target_critics: int | None = None
    """Target networks, drawn anew for each step, that give the target; all by default (REDQ: 2)."""

    actor_value: Literal["min", "mean"] = "min"
    """Which of the critics' values the actor raises (Haarnoja et al.: min; REDQ: mean)."""

    target_value: Literal["min", "mean"] = "min"
    """Which of the target networks' values is the target (Haarnoja et al.: min; BRO: mean)."""

    entropy_backup: bool = True
    """Whether the entropy of next actions is part of the critics' targets (Haarnoja et al.)."""

    entropy_weights: tuple[float, ...] | None = None
    """Weight of each action dimension in the entropy; 1 each by default (ACE, Ji et al. 2024)."""

    start_from: str | None = None
    """A run folder, or an agent's zip, whose networks, optimizers and temperature to begin with."""

    bfloat16: bool = False
    """Whether products between hidden layers are computed in bfloat16: faster where they are wide
    and the processor has it."""

    backend: Literal["auto", "compiled", "eager", "reference"] = "auto"
    """What computes the updates; reference is stable-baselines3's own code."""

    agent: ClassVar[str] = "sac"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range; `train` calls it first."""
        super().check()
        for name in (
            *("iteration_steps", "buffer_size", "batch_size", "n_critics"),
            *("actor_delay", "target_update_interval"),
        ):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        for name in ("learning_starts", "weight_decay"):
            require(self, name, getattr(self, name) >= 0, "0 or more")
        for name in ("learning_rate", "adam_epsilon"):
            require(self, name, getattr(self, name) > 0, "more than 0")
        for name in ("gamma", "tau"):
            require(self, name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("adam_beta1", "adam_beta2"):
            require(self, name, 0 <= getattr(self, name) < 1, "0 or more and less than 1")
        if self.residual_blocks and self.layer_norm == "none":
            raise SettingsError("--residual-blocks needs --layer-norm both, or critic")
        require(self, "replay_ratio", 0 <= self.replay_ratio < float("inf"), "0 or more")
        if self.temperature != "auto":
            require(self, "temperature", self.temperature >= 0, "auto, or 0 or more")
        for name in ("hidden_sizes", "actor_sizes"):
            require(self, name, min(getattr(self, name) or (), default=1) >= 1, "1 or more each")
        scales = self.normalize_observations or self.normalize_rewards
        fits = self.start_from is None or not scales
        require(self, "start_from", fits, "left out where observations or rewards are normalized")
        check_replay(self)

    def learner(self) -> dict[str, Any]:
        """Return all settings of SAC alone."""
        return own_settings(self)

    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn in `env`.

        Args:
            env: the copies of the world.
            methods: what keeps the agent able to learn, in the order given.
        """
        from ..agents import SAC
        from ..agents.replay.donor import begin_from

        agent = SAC(
            "MlpPolicy",
            env,
            methods=list(methods),
            diagnostics=self.diagnosed,
            iteration_steps=self.iteration_steps,
            replay_ratio=self.replay_ratio,
            layer_norm=self.layer_norm,
            residual_blocks=self.residual_blocks,
            actor_delay=self.actor_delay,
            target_update_interval=self.target_update_interval,
            target_critics=self.target_critics,
            actor_value=self.actor_value,
            target_value=self.target_value,
            entropy_backup=self.entropy_backup,
            entropy_weights=self.entropy_weights,
            bfloat16=self.bfloat16,
            backend=self.backend,
            seed=self.seed,
            device=self.device,
            buffer_size=self.buffer_size,
            **replay_settings(self),
            learning_starts=self.learning_starts,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            gamma=self.gamma,
            tau=self.tau,
            ent_coef=self.temperature,
            target_entropy=self.target_entropy_scale * float(np.prod(env.action_space.shape or 1)),
            policy_kwargs={
                "net_arch": self._layers(),
                "activation_fn": activation_class(self.activation),
                "n_critics": self.n_critics,
                "optimizer_kwargs": {
                    "betas": (self.adam_beta1, self.adam_beta2),
                    "eps": self.adam_epsilon,
                    "weight_decay": self.weight_decay,
                    **({"decoupled_weight_decay": True} if self.decoupled_weight_decay else {}),
                },
            },
        )
        if self.start_from is not None:
            begin_from(agent, self.start_from)
        return agent

    def _layers(self) -> list[int] | dict[str, list[int]]:
        sizes = list(self.hidden_sizes)
        return sizes if self.actor_sizes is None else {"pi": list(self.actor_sizes), "qf": sizes}
