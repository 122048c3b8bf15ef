"""The settings of a run with context inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ..wrappers.errors import SettingsError
from ..wrappers.settings import convert_settings, split_settings
from .base import Base, read_base
from .settings import RunSettings

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.method import Method
    from ..agents.secbad import ContextInference

PUBLISHED_PPO: dict[str, Any] = {
    "batch_size": 512,
    "n_epochs": 2,
    "learning_rate": 7e-4,
    "gamma": 0.97,
    "gae_lambda": 0.9,
    "clip_range": 0.1,
    "entropy_coefficient": 0.01,
    "value_coefficient": 0.5,
    "max_grad_norm": 0.5,
    "hidden_sizes": (128, 128),
    "activation": "tanh",
}
"""PPO's settings in the released code of SeCBAD (AntDir; four minibatches, as for its grid)."""


@dataclass(frozen=True)
class TrainSeCBAD(RunSettings):
    """Train an agent on what it observes and infers of a hidden context: SeCBAD and its rivals.

    Chen et al., "An adaptive deep RL method for non-stationary environments with piecewise stable
    context" (NeurIPS 2022). All settings of contexts, with their sources, are in
    `everlearn.agents.secbad.ContextInference` and docs/context.md. PPO begins from the settings of
    SeCBAD's released code, which differ from those of train_ppo.py: batch_size=512, n_epochs=2,
    learning_rate=0.0007, gamma=0.97, gae_lambda=0.9, clip_range=0.1, entropy_coefficient=0.01,
    value_coefficient=0.5, max_grad_norm=0.5, hidden_sizes=[128,128], activation=tanh.
    """

    stream: str = "everlearn/CartPoleForceSign-v0"
    """The changing world to learn in: a name, or name:setting=value,setting=value."""

    context: str = "secbad"
    """What the policy knows of the context: secbad, window, varibad, history, memoryless or
    oracle, with or without :setting=value,..."""

    base: str = "ppo"
    """Who learns to act: ppo (as in SeCBAD's released code), recurrent-ppo (an LSTM; with --context
    memoryless it is a rival that infers by itself) or sac, with or without settings of its script,
    :setting=value,..."""

    agent: ClassVar[str] = "secbad"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be used; `train` calls it first."""
        super().check()
        self.base_settings.check()
        if not self.inference.uses_labels:
            return
        from ..envs import make_stream

        if make_stream(self.stream).boundary_labels == "none":
            raise SettingsError(
                f"{self.context!r} learns from boundaries, of which the stream {self.stream!r} "
                "tells none: take secbad:labels=no, or the stream's boundary_labels=training"
            )

    @cached_property
    def inference(self) -> ContextInference:
        """The settings of context inference."""
        # Imported late: torch takes seconds.
        from ..agents.secbad import ContextInference

        kind, raw = split_settings(self.context)
        if "kind" in raw:
            raise SettingsError(f"the kind of context inference comes first: {raw['kind']}:...")
        converted = convert_settings(f"context {kind}", ContextInference, {"kind": kind, **raw})
        return ContextInference(**converted)

    @cached_property
    def base_settings(self) -> Base:
        """The settings of the agent that learns to act."""
        return read_base(self, self.base, {"ppo": PUBLISHED_PPO})

    @property
    def whole_steps(self) -> int:
        """Environment steps to ask of the agent."""
        return self.base_settings.whole_steps

    @property
    def iteration_length(self) -> int:
        """Environment steps in an iteration, over all copies."""
        return self.base_settings.iteration_length

    def learner(self) -> dict[str, Any]:
        """Return all settings of agent and inference alone, with nothing left to be filled in."""
        base = self.base_settings
        return {"base": base.agent, **base.learner(), "context": asdict(self.inference)}

    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn in `env`.

        Args:
            env: the copies of the world.
            methods: what keeps the agent able to learn, in the order given.
        """
        from ..agents.secbad import InferContext
        from .spaces import require_spaces

        require_spaces(env, self.base_settings.agent, self.stream)
        worlds = InferContext(env, self.inference, self.seed)
        return self.base_settings.build_agent(worlds, methods)
