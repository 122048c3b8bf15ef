"""The settings of each agent that learns from collected sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from .offline import TrainOffline, read_config
from .settings import require

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv


@dataclass(frozen=True)
class TrainIQL(TrainOffline):
    """Train implicit Q-learning (Kostrikov et al., 2022) on collected sets."""

    expectile: float = 0.7
    """Which expectile of the values V is (paper: 0.7 for locomotion, 0.9 for AntMaze)."""

    temperature: float = 3.0
    """How much advantages weigh (paper: 3 for locomotion, 10 for AntMaze)."""

    agent: ClassVar[str] = "iql"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be."""
        super().check()
        require(self, "expectile", 0 < self.expectile < 1, "more than 0 and less than 1")
        require(self, "temperature", 0 <= self.temperature < float("inf"), "0 or more")

    def _build(self, env: VecEnv, data: Any, shared: dict[str, Any]) -> BaseAlgorithm:
        from ..agents.offline import IQL

        return IQL(env, data, self.expectile, self.temperature, **shared)


@dataclass(frozen=True)
class TrainCQL(TrainOffline):
    """Train conservative Q-learning (Kumar et al., 2020), or Cal-QL, on collected sets."""

    weight: float = 5.0
    """Of the penalty on values outside of the data (published code of WSRL: 5)."""

    n_actions: int = 10
    """Sampled actions of each of three kinds (paper: 10)."""

    calibrated: bool = False
    """Whether returns of the data bound the penalty: Cal-QL (Nakamoto et al., 2023)."""

    max_backup: bool = False
    """Whether targets take the best of that many next actions (published code of WSRL: yes)."""

    entropy_backup: bool = False
    """Whether the entropy of next actions is part of the targets (published code: no)."""

    actor_learning_rate: float = 1e-4
    """Adam's step size for actor and temperature (published code of WSRL)."""

    agent: ClassVar[str] = "cql"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be."""
        super().check()
        require(self, "weight", 0 <= self.weight < float("inf"), "0 or more")
        require(self, "n_actions", self.n_actions >= 1, "1 or more")
        require(self, "actor_learning_rate", self.actor_learning_rate > 0, "more than 0")

    def _build(self, env: VecEnv, data: Any, shared: dict[str, Any]) -> BaseAlgorithm:
        from ..agents.offline import CQL

        return CQL(
            env,
            data,
            self.weight,
            self.n_actions,
            self.calibrated,
            self.max_backup,
            self.entropy_backup,
            self.actor_learning_rate,
            **shared,
        )


@dataclass(frozen=True)
class _Family(TrainOffline):
    """What FamO2O's two phases share: abstract."""

    coefficients: tuple[float, float] = (1.0, 5.0)
    """The range of how much advantages weigh (published code: 8 14 for AntMaze; ours around IQL's
    3 for locomotion)."""

    expectile: float = 0.7
    """Which expectile of the values V is (IQL's paper: 0.7 for locomotion, 0.9 for AntMaze)."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be."""
        super().check()
        require(self, "expectile", 0 < self.expectile < 1, "more than 0 and less than 1")
        low, high = self.coefficients
        fits = 0 <= low < high < float("inf")
        require(self, "coefficients", fits, "two numbers of 0 or more, the smaller first")


@dataclass(frozen=True)
class TrainFamO2O(_Family):
    """Train IQL with a family of policies, of which each state gets its own (Wang et al., 2023)."""

    drawn: Literal["uniform", "balance"] = "uniform"
    """Where the actor's coefficients come from (published code: uniform offline)."""

    agent: ClassVar[str] = "famo2o"
    """The agent's name in folders and tables."""

    def _build(self, env: VecEnv, data: Any, shared: dict[str, Any]) -> BaseAlgorithm:
        from ..agents.offline import FamO2O

        return FamO2O(env, data, self.coefficients, self.expectile, self.drawn, **shared)


@dataclass(frozen=True)
class TrainOnlineFamO2O(_Family):
    """Let a family of policies learn on in a changing world (Wang et al., 2023).

    Its sets stay beside its own steps, and batches are drawn from all alike.
    """

    start_from: str = ""
    """The run folder of famo2o whose networks, optimizers and balance model to begin with; it had
    the same --hidden-sizes, --n-critics and --coefficients."""

    total_steps: int = 1_000_000
    """Environment steps to train for, over all copies (published code: 1,000,000)."""

    n_envs: int = 1
    """Copies of the world that are stepped together (published code: 1)."""

    iteration_steps: int = 1000
    """Environment steps in an iteration, over all copies: one row of the log."""

    replay_ratio: float = 1.0
    """Gradient steps for each environment step of each copy (published code: 1)."""

    buffer_size: int = 2_000_000
    """Own transitions kept, over all copies (published code: 2,000,000 with the sets)."""

    agent: ClassVar[str] = "famo2o-online"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be."""
        super().check()
        require(self, "buffer_size", self.buffer_size >= 1, "1 or more")
        require(self, "replay_ratio", 0 <= self.replay_ratio < float("inf"), "0 or more")
        known = read_config(self.start_from).get(TrainFamO2O.agent) if self.start_from else None
        require(self, "start_from", isinstance(known, dict), "a run folder of famo2o")
        assert isinstance(known, dict)
        low, high = known["coefficients"]
        fits = tuple(self.coefficients) == (low, high)
        require(self, "coefficients", fits, f"{low} {high}, as in {self.start_from}")

    @property
    def iteration_length(self) -> int:
        """Environment steps in an iteration, over all copies."""
        return self.iteration_steps

    def _build(self, env: VecEnv, data: Any, shared: dict[str, Any]) -> BaseAlgorithm:
        from ..agents.offline import OnlineFamO2O
        from ..agents.replay.donor import begin_from

        own = (self.coefficients, self.expectile, self.replay_ratio, self.buffer_size)
        agent = OnlineFamO2O(env, data, *own, **shared)
        begin_from(agent, self.start_from)
        return agent


@dataclass(frozen=True)
class TrainOER(TrainOffline):
    """Train offline experience replay (Gai et al., 2023): one set after another, each a task.

    Tasks must be told apart by what is observed.
    """

    steps_per_set: int = 100_000
    """Gradient steps of each set, in whole iterations; `--total-steps` may end it before."""

    memory_size: int = 1000
    """Transitions kept of each task that is over (paper: 1,000)."""

    selection: Literal["model", "random", "reward", "coverage"] = "model"
    """How they are chosen: as the policy is expected to go on (paper), or a rival's way."""

    dual: bool = True
    """Whether a second actor clones (paper), or the one actor's loss has a cloning term."""

    weight: float = 2.5
    """Of values against imitation (TD3+BC, Fujimoto and Gu 2021)."""

    agent: ClassVar[str] = "oer"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be."""
        super().check()
        require(self, "memory_size", self.memory_size >= 1, "1 or more")
        whole = self.steps_per_set >= 1 and self.steps_per_set % self.iteration_steps == 0
        allowed = f"a multiple of --iteration-steps, {self.iteration_steps}"
        require(self, "steps_per_set", whole, allowed)
        require(self, "weight", 0 < self.weight < float("inf"), "more than 0")

    def completed(self) -> Self:
        """Return the settings with all filled in, and no more steps than all sets get.

        Raises:
            SettingsError: settings that cannot be; there is no set, or it does not say.
        """
        whole = super().completed()
        most = self.steps_per_set * len(self.sets)
        return replace(whole, total_steps=min(self.total_steps, most))

    def _read(self, env: VecEnv) -> Any:
        from ..agents.replay.sources import read_sources

        spaces = env.observation_space, env.action_space
        return [read_sources(folder, *spaces, self.memmap_folder) for folder in self.sets]

    def _build(self, env: VecEnv, data: Any, shared: dict[str, Any]) -> BaseAlgorithm:
        from ..agents.offline import OER

        own = (self.steps_per_set, self.memory_size, self.selection, self.dual, self.weight)
        return OER(env, data, *own, **shared)
