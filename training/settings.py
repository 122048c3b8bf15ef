"""What every training script may be told, whichever agent it trains.

Nothing heavy is imported here, so that a script can answer `--help` at once.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from ..wrappers.errors import SettingsError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv
    from torch import nn

    from ..agents.diagnostics import Diagnostics
    from ..agents.method import Method
    from ..envs.contexts import NamedContext


class StepIterations:
    """Iterations of a fixed number of steps: a mixin, to stand before `RunSettings`."""

    total_steps: int
    iteration_steps: int
    """Steps in an iteration, over all copies."""

    @property
    def whole_steps(self) -> int:
        """Steps until the end of the iteration that `total_steps` falls in."""
        return -(-self.total_steps // self.iteration_steps) * self.iteration_steps

    @property
    def iteration_length(self) -> int:
        """Environment steps in an iteration, over all copies."""
        return self.iteration_steps


@dataclass(frozen=True)
class RunSettings(ABC):
    """What all agents share; each agent has one subclass that adds its own settings."""

    stream: str = "everlearn/SlipperyAnt-v0"
    """The changing world to learn in: a name, or name:setting=value,setting=value, or a JSON file's
    path; scripts/streams.py lists the names."""

    methods: tuple[str, ...] = ()
    """What keeps the agent able to learn: names, each with or without :setting=value,...;
    docs/methods.md lists them, and docs/tasks.md those that keep old tasks."""

    seed: int = 0
    """Where all randomness of the run comes from (0 or more); part of the run's folder."""

    total_steps: int = 1_000_000
    """Environment steps to train for, over all copies; the last iteration is run to its end."""

    n_envs: int = 8
    """Copies of the world that are stepped together."""

    world_backend: str = "auto"
    """What steps the world: native, gymnasium, envpool, or auto: the first that knows it."""

    runs_folder: str = "runs"
    """The folder in which each run gets a folder of its own."""

    checkpoint_every: int = 10
    """Iterations from one checkpoint to the next (ours); 0 for none, and nothing to go on from."""

    evaluate_every: int = 50
    """Iterations from one evaluation to the next, in worlds of its own (ours); 0 for none."""

    evaluation_episodes: int = 2
    """Episodes of each task in an evaluation (ours)."""

    evaluation_steps: int = 1000
    """Steps after which an evaluation's episode is cut off (gymnasium's MuJoCo worlds: 1000)."""

    evaluation_segments: tuple[int, ...] = (0, 1, 2, 3)
    """Segments whose contexts are evaluated, where a stream has too many contexts to try each."""

    histograms_every: int = 100
    """Iterations between histograms of the weights in TensorBoard (ours); 0 for none."""

    normalize_observations: bool = False
    """Whether to bring observations to mean 0 and variance 1 by all that was seen of them."""

    normalize_rewards: bool = False
    """Whether to bring the discounted sum of rewards, for its gamma, to variance 1."""

    normalization_at_change: Literal["carry", "reset", "per-task"] = "carry"
    """What becomes of what was learned of scales at a change: it goes on, begins anew, or each
    task has its own."""

    threads: int = 1
    """Threads torch may use; for small networks more than 1 is slower."""

    device: str = "cpu"
    """Where the agent's networks are: cpu, cuda, or cuda:1 for the second GPU. On a GPU the updates
    of PPO and SAC are stable-baselines3's own."""

    diagnostics: bool = True
    """Whether to log the plasticity diagnostics; they never change training."""

    layer_diagnostics_every: int = 10
    """Iterations between looks at single layers, ranks, gradients and churn (ours); 0 for
    never."""

    trainability_every: int = 50
    """Iterations between probes of how fast copies of the networks learn (ours); 0 for never."""

    agent: ClassVar[str]
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range; `train` calls it first."""
        require(self, "seed", 0 <= self.seed < 2**32, "from 0 to 4294967295")
        require(self, "total_steps", self.total_steps >= 1, "1 or more")
        require(self, "n_envs", self.n_envs >= 1, "1 or more")
        require(self, "checkpoint_every", self.checkpoint_every >= 0, "0 or more")
        require(self, "evaluate_every", self.evaluate_every >= 0, "0 or more")
        require(self, "evaluation_episodes", self.evaluation_episodes >= 1, "1 or more")
        require(self, "evaluation_steps", self.evaluation_steps >= 1, "1 or more")
        segments = self.evaluation_segments
        require(self, "evaluation_segments", min(segments, default=-1) >= 0, "0 or more each")
        require(self, "histograms_every", self.histograms_every >= 0, "0 or more")
        require(self, "threads", self.threads >= 1, "1 or more")
        known = re.fullmatch(r"cpu|cuda(:\d+)?", self.device) is not None
        require(self, "device", known, "cpu, cuda or cuda:N")
        if self.normalization_at_change != "carry":
            fits = self.normalize_observations or self.normalize_rewards
            allowed = "carry where neither observations nor rewards are normalized"
            require(self, "normalization_at_change", fits, allowed)
        for name in ("layer_diagnostics_every", "trainability_every"):
            require(self, name, getattr(self, name) >= 0, "0 or more")

    @property
    def whole_steps(self) -> int:
        """Environment steps to ask of an agent that would not run its last iteration to the end."""
        return self.total_steps

    @property
    def diagnosed(self) -> bool | Diagnostics:
        """What to tell the agent of diagnostics."""
        if not self.diagnostics:
            return False
        from ..agents.diagnostics import Diagnostics

        return Diagnostics(self.layer_diagnostics_every, self.trainability_every)

    @property
    @abstractmethod
    def iteration_length(self) -> int:
        """Environment steps in an iteration, over all copies."""

    @property
    def evaluation(self) -> dict[str, Any]:
        """How the agent is evaluated; nothing but "every" where it is not."""
        if not self.evaluate_every:
            return {"every": 0}
        return {
            "every": self.evaluate_every,
            "episodes": self.evaluation_episodes,
            "steps": self.evaluation_steps,
            "segments": list(self.evaluation_segments),
        }

    def held_out_contexts(self) -> list[NamedContext] | None:
        """Return the contexts to be evaluated in, or None for those of the stream."""
        return None

    @property
    def normalization(self) -> dict[str, Any] | Literal[False]:
        """What the worlds are to scale and how, or False."""
        if not (self.normalize_observations or self.normalize_rewards):
            return False
        return {
            "observations": self.normalize_observations,
            "rewards": self.normalize_rewards,
            "at_change": self.normalization_at_change,
            "gamma": self.learner()["gamma"],
        }

    @abstractmethod
    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn in `env`.

        Args:
            env: the copies of the world.
            methods: what keeps the agent able to learn, in the order given.
        """

    @abstractmethod
    def learner(self) -> dict[str, Any]:
        """Return all settings of the agent alone, with nothing left to be filled in."""


@dataclass(frozen=True)
class NoDiagnostics(RunSettings):
    """Of agents that no plasticity diagnostics look at: they learn offline, or have an LSTM."""

    diagnostics: Annotated[bool, tyro.conf.Suppress] = True
    """Has no effect, and is not shown; it stays, as all runs have it in their configuration."""

    layer_diagnostics_every: Annotated[int, tyro.conf.Suppress] = 10
    """Has no effect, as `diagnostics`."""

    trainability_every: Annotated[int, tyro.conf.Suppress] = 50
    """Has no effect, as `diagnostics`."""


def require(settings: Any, name: str, fits: bool, allowed: str) -> None:
    """Raise unless a setting fits.

    Args:
        settings: of a script, whose field is looked at.
        name: the field.
        fits: whether its value may be used.
        allowed: the values that may, such as "1 or more".

    Raises:
        SettingsError: naming the setting as it is written on the command line.
    """
    if not fits:
        value = getattr(settings, name)
        raise SettingsError(f"--{name.replace('_', '-')} must be {allowed}, not {value}")


def require_folder(settings: Any, name: str) -> None:
    """Raise unless a setting is a folder that is there, or none.

    Args:
        settings: of a script, whose field is looked at.
        name: the field.

    Raises:
        SettingsError: naming the setting as it is written on the command line.
    """
    folder = getattr(settings, name)
    require(settings, name, folder is None or Path(folder).is_dir(), "a folder that is there")


def activation_class(name: str) -> type[nn.Module]:
    """Return torch's class of an activation.

    Args:
        name: "relu", "tanh", "elu", "gelu" or "silu".
    """
    from torch import nn

    classes: dict[str, type[nn.Module]] = {
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
    }
    return classes[name]


def own_settings(settings: RunSettings) -> dict[str, Any]:
    """Return the fields that the agent's own class adds to the shared ones, but `memmap_folder`.

    Args:
        settings: the settings of one agent.
    """
    # Where arrays lie decides nothing, and may be another when a run goes on.
    shared = {*RunSettings.__dataclass_fields__, "memmap_folder"}
    return {name: value for name, value in asdict(settings).items() if name not in shared}
