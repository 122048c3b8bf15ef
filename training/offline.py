"""What the settings of all runs have in common that learn from collected sets."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

import tyro

from ..wrappers.errors import SettingsError
from .settings import NoDiagnostics, StepIterations, own_settings, require, require_folder

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.method import Method


@dataclass(frozen=True)
class TrainOffline(StepIterations, NoDiagnostics):
    """What all agents share that learn from collected sets: abstract. Steps are gradient steps."""

    sets: tuple[str, ...] = ()
    """Folders of sets that scripts/collect.py made, or run folders of SAC, whose replay buffers
    are taken; several are one."""

    stream: str = ""
    """The changing world in whose contexts the agent is evaluated; by default that of the first
    set."""

    n_envs: int = 1
    """Has no effect but on the worlds that say what observations are like."""

    total_steps: int = 1_000_000
    """Gradient steps."""

    methods: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """None: methods are for agents that learn online."""

    normalize_observations: Annotated[bool, tyro.conf.Suppress] = False
    """No: sets hold observations as they are."""

    normalize_rewards: Annotated[bool, tyro.conf.Suppress] = False
    """No: sets hold rewards as they are."""

    normalization_at_change: Annotated[
        Literal["carry", "reset", "per-task"], tyro.conf.Suppress
    ] = "carry"
    """Has no effect, as nothing is normalized."""

    iteration_steps: int = 1000
    """Gradient steps in an iteration: one row of the log."""

    batch_size: int = 256
    """Transitions in one gradient step (IQL, CQL and TD3+BC)."""

    learning_rate: float = 3e-4
    """Adam's step size (IQL, CQL and TD3+BC, for critics)."""

    gamma: float = 0.99
    """Discount factor (IQL, CQL and TD3+BC)."""

    tau: float = 0.005
    """How far the target networks move towards the critics at each step (IQL, CQL and TD3+BC)."""

    hidden_sizes: tuple[int, ...] = (256, 256)
    """Units of each hidden layer, for all networks alike (IQL and TD3+BC)."""

    n_critics: int = 2
    """Number of critics (IQL, CQL and TD3+BC)."""

    memmap_folder: str | None = None
    """A folder on whose disk collected sets are copied into a memory-mapped file; into memory by
    default. No result depends on it. Runs as sets stay in the files of their checkpoints."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be."""
        super().check()
        require_folder(self, "memmap_folder")
        if not self.sets:
            raise SettingsError("--sets is needed: folders that scripts/collect.py made")
        if self.methods:
            raise SettingsError("--methods are for agents that learn online: leave them out")
        if self.normalization:
            raise SettingsError("sets hold observations and rewards as they are: leave them so")
        for name in ("iteration_steps", "batch_size", "n_critics"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "learning_rate", self.learning_rate > 0, "more than 0")
        for name in ("gamma", "tau"):
            require(self, name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        require(self, "hidden_sizes", min(self.hidden_sizes, default=1) >= 1, "1 or more each")

    def completed(self) -> Self:
        """Return the settings with the stream filled in from the first set.

        Raises:
            SettingsError: settings that cannot be; there is no set, or it does not say.
        """
        self.check()
        if self.stream:
            return self
        # Plain data say more than a name can; `read_stream` takes either.
        return replace(self, stream=cast("str", _stream_of(self.sets[0])))

    @property
    def iteration_length(self) -> int:
        """Environment steps in an iteration: none."""
        return 0

    def learner(self) -> dict[str, Any]:
        """Return all settings of the agent alone, and by what its sets are known."""
        return {**own_settings(self), "digests": [_digest(folder) for folder in self.sets]}

    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn from its sets.

        Args:
            env: worlds like those that the sets come from.
            methods: none.
        """
        shared = {
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "gamma": self.gamma,
            "tau": self.tau,
            "iteration_steps": self.iteration_steps,
            "policy_kwargs": {"net_arch": list(self.hidden_sizes), "n_critics": self.n_critics},
            "seed": self.seed,
            "device": self.device,
        }
        return self._build(env, self._read(env), shared)

    def _read(self, env: VecEnv) -> Any:
        from ..agents.replay.sources import read_sources

        both = env.observation_space, env.action_space
        return read_sources(self.sets, *both, self.memmap_folder)

    @abstractmethod
    def _build(self, env: VecEnv, data: Any, shared: dict[str, Any]) -> BaseAlgorithm:
        """Build the agent with the settings that all share."""


def _stream_of(folder: str) -> dict[str, Any]:
    """Return the plain data of the stream that a set or a run was made in."""
    from ..agents.replay.sets import is_set, read_metadata

    if is_set(folder):
        found = read_metadata(folder).get("stream")
    else:
        found = read_config(folder).get("stream")
        if found is None:
            raise SettingsError(f"there is no collected set in {folder}")
    if not isinstance(found, dict):
        raise SettingsError(f"the set {folder} does not say where it is from: give --stream")
    return found


def read_config(folder: str) -> dict[str, Any]:
    """Return what a run's folder says of its settings; nothing where it is none.

    Args:
        folder: of the run.
    """
    import yaml

    try:
        found = yaml.safe_load((Path(folder) / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _digest(folder: str) -> str:
    """Return the SHA-256 of the files that a source is made of."""
    path = Path(folder)
    files = sorted(path.glob("**/data/main_data.*")) or sorted(path.glob("main_data.*"))
    files = files or sorted((path / "checkpoint").glob("*.state"))[-1:]
    if not files:
        raise SettingsError(f"there is no collected set in {folder}")
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                whole.update(chunk)
    return whole.hexdigest()
