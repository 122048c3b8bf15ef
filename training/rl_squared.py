"""The settings of an RL² run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..wrappers.errors import SettingsError
from ..wrappers.settings import convert_settings, split_settings
from .base import Base, read_base
from .settings import RunSettings, require

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.method import Method
    from ..agents.rl_squared import LevelSampling
    from ..envs import Stream
    from ..envs.contexts import NamedContext

_HELD_OUT_SEED = 714_025
"""Draws the contexts to be tried in: the same for all runs, whatever their seeds."""


@dataclass(frozen=True)
class TrainRLSquared(RunSettings):
    """Train an agent to adapt within a trial of a few episodes in one hidden context: RL².

    Duan et al., "RL²: fast reinforcement learning via slow reinforcement learning" (2016); Wang et
    al., "Learning to reinforcement learn" (2016). Contexts to learn in are drawn from the stream's
    laws, once, and replayed by priority: Jiang et al., "Prioritized level replay" (ICML 2021).
    Together they are what is affordable of AdA (Adaptive Agent Team, "Human-timescale adaptation
    in an open-ended task space", 2023). The agent is tried in contexts that it never learns in.
    When the stream would change does not matter: a context lasts a trial.
    """

    stream: str = "everlearn/CartPoleForces-v0"
    """Whose laws the contexts are drawn from: a name, or name:setting=value,setting=value."""

    base: str = "recurrent-ppo"
    """Who learns to act: recurrent-ppo, or ppo for an agent without a memory, with or without
    settings of its script, :setting=value,..."""

    episodes: int = 3
    """Episodes of a trial, between which an agent keeps its memory (ours)."""

    told: bool = True
    """Whether the agent is told its last action and reward, and where episodes begin (RL²)."""

    levels: int = 200
    """Contexts to learn in, where there are as many (Jiang et al.: 200 levels)."""

    sampling: str = "prioritized:temperature=1"
    """How the next context is drawn: prioritized or uniform, with or without :setting=value,...
    (temperature, staleness, replay_probability); the temperature is that of Jiang et al.'s code, as
    their paper's 0.1 repeats one or two contexts where a rollout holds many short trials."""

    held_out: int = 20
    """Contexts to be tried in, of which none is learned in (ours)."""

    evaluation_episodes: int = 1
    """Trials of each held-out context in an evaluation (ours)."""

    evaluation_steps: int = 3000
    """Steps after which an evaluation's trial is cut off, and not counted (ours)."""

    agent: ClassVar[str] = "rl-squared"
    """The agent's name in folders and tables."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be used; `train` calls it first."""
        super().check()
        for name in ("episodes", "levels", "held_out"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        self.base_settings.check()
        _ = self.level_sampling, self.contexts

    @cached_property
    def base_settings(self) -> Base:
        """The settings of the agent that learns to act."""
        return read_base(self, self.base, {}, ("ppo", "recurrent-ppo"))

    @cached_property
    def level_sampling(self) -> LevelSampling:
        """How contexts to learn in are drawn."""
        # Imported late: torch takes seconds.
        from ..agents.rl_squared import LevelSampling

        kind, raw = split_settings(self.sampling)
        if "kind" in raw:
            raise SettingsError(f"the kind of level sampling comes first: {raw['kind']}:...")
        given = {"kind": kind, **raw}
        return LevelSampling(**convert_settings(f"sampling {kind}", LevelSampling, given))

    @cached_property
    def contexts(self) -> tuple[list[NamedContext], list[NamedContext]]:
        """The contexts to learn in, and those to be tried in."""
        from .streams import read_stream

        return split_contexts(read_stream(self.stream), self.levels, self.held_out, self.seed)

    @property
    def whole_steps(self) -> int:
        """Environment steps to ask of the agent."""
        return self.base_settings.whole_steps

    @property
    def iteration_length(self) -> int:
        """Environment steps in an iteration, over all copies."""
        return self.base_settings.iteration_length

    def held_out_contexts(self) -> list[NamedContext]:
        """Return the contexts to be evaluated in."""
        return self.contexts[1]

    def learner(self) -> dict[str, Any]:
        """Return all settings of agent, trials and levels alone, with nothing left out."""
        base = self.base_settings
        return {
            "base": base.agent,
            **base.learner(),
            "episodes": self.episodes,
            "told": self.told,
            "levels": self.levels,
            "sampling": asdict(self.level_sampling),
            "held_out": self.held_out,
        }

    def build_agent(self, env: VecEnv, methods: Sequence[Method]) -> BaseAlgorithm:
        """Build the agent, ready to learn in `env`.

        Args:
            env: the copies of the world.
            methods: what keeps the agent able to learn, in the order given.
        """
        from ..agents.rl_squared import Trials

        levels: list[Mapping[str, float]] = [one.context for one in self.contexts[0]]
        worlds = Trials(env, self.episodes, levels, self.level_sampling, self.told, self.seed)
        return self.base_settings.build_agent(worlds, methods)


def split_contexts(
    stream: Stream, n_levels: int, n_held_out: int, seed: int
) -> tuple[list[NamedContext], list[NamedContext]]:
    """Draw contexts to learn in, and others to be tried in.

    Where a stream has few contexts, each is one or the other. Those to be tried in are the same
    whatever the seed.

    Args:
        stream: whose laws they are drawn from.
        n_levels: how many to learn in at most.
        n_held_out: how many to be tried in.
        seed: draws those to learn in.

    Raises:
        SettingsError: there are not enough different ones.

    Example:
        >>> from everlearn.envs import make_stream
        >>> stream = make_stream("everlearn/CartPoleForces-v0")
        >>> levels, held_out = split_contexts(stream, 100, 5, seed=0)
        >>> len(levels), len(held_out), held_out[0].name
        (100, 5, 'held out 0')
    """
    from ..envs.contexts import NamedContext, all_contexts, contexts_of_segments

    found = all_contexts(stream, _HELD_OUT_SEED)
    if found:
        order = np.random.default_rng(_HELD_OUT_SEED).permutation(len(found))
        found = [found[place] for place in order]
        tried, rest = found[:n_held_out], found[n_held_out:]
        order = np.random.default_rng(seed).permutation(len(rest))
        rest = [rest[place] for place in order]
    else:
        tried = contexts_of_segments(stream, range(n_held_out), _HELD_OUT_SEED)
        # Some may come to the same; what a stream begins with may be no draw of its law.
        rest = contexts_of_segments(stream, range(2 * n_levels + n_held_out), seed)
    held_out = _different(tried, [])
    levels = _different(rest, held_out)[:n_levels]
    if len(held_out) < n_held_out or not levels:
        raise SettingsError(
            f"the stream {stream.name!r} has too few contexts for --held-out {n_held_out}, and "
            "others to learn in: take a smaller number, or a stream with more"
        )
    return levels, [
        NamedContext(f"held out {number}", one.context) for number, one in enumerate(held_out)
    ]


def _different(
    contexts: Sequence[NamedContext], without: Sequence[NamedContext]
) -> list[NamedContext]:
    """Return contexts, each once, and none that is among others."""
    left_out = [one.context for one in without]
    kept: list[NamedContext] = []
    for one in contexts:
        if one.context not in left_out:
            left_out.append(one.context)
            kept.append(one)
    return kept
