"""Worlds to try an agent in, each copy held in a context of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, final

import numpy as np
from gymnasium import Space

from ..envs import make_vec_env
from ..wrappers.info import TRIAL

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from ..envs import Stream
    from ..envs.make import Backend
    from ..envs.vec_env import StreamVecEnv
    from ..wrappers.engine import Engine

MOST_COPIES = 32
"""How many copies are stepped together; more trials than this take turns."""

_SUCCESS = ("success_any", "is_success", "success")


class Trial(NamedTuple):
    """An episode to be lived.

    Attributes:
        context: each knob's value.
        seed: decides all that its world draws, from 0 to 2**31 - 1.
    """

    context: Mapping[str, float]
    seed: int


class Outcome(NamedTuple):
    """What an episode came to.

    Attributes:
        reward: the sum of its rewards.
        length: its steps.
        success: whether it succeeded at any step, or None where its world does not say.
        whole: whether it ended, and was not cut off.
        success_final: whether it succeeded at its last step, or None where its world does not say.
        episodes: of a trial that ended: what `info["episode"]` told of each of its episodes.
    """

    reward: float
    length: int
    success: bool | None
    whole: bool = True
    success_final: bool | None = None
    episodes: tuple[dict[str, Any], ...] = ()


class Act(Protocol):
    """Chooses the actions of all copies."""

    def __call__(
        self, observations: Any, trials: Sequence[Trial], starts: np.ndarray
    ) -> np.ndarray:
        """Choose.

        Args:
            observations: of all copies.
            trials: what each of them lives.
            starts: which of them begin an episode, of shape (copies,); all where trials begin.
        """


@final
class EvaluationWorlds:
    """A stream's worlds, built once, in which nothing changes but what each trial asks for.

    Where all copies must be alike (envpool, sequences of worlds), those that share a context are
    stepped together, and one seed decides for them all; these back ends build their worlds anew
    from it.

    Args:
        stream: the stream that the agent learns in.
        backend: what steps the worlds.
        n_trials: how many episodes there will be at a time.
        n_alike: how many of them share a context.
        most_steps: an episode is cut off after so many steps.
        normalize: as the agent's own worlds are; rewards are told as they are in any case.
    """

    def __init__(
        self,
        stream: Stream,
        backend: Backend,
        n_trials: int,
        n_alike: int,
        most_steps: int,
        normalize: Mapping[str, Any] | Literal[False] = False,
    ) -> None:
        self._most_steps = most_steps
        if normalize:
            normalize = {**normalize, "rewards": False}
        frozen = stream.frozen()
        self._worlds = _make(frozen, min(n_alike, MOST_COPIES), backend, normalize)
        self._alike = self._engine.rebuilds
        if not self._alike and min(n_trials, MOST_COPIES) != self._worlds.num_envs:
            self._worlds.close()
            self._worlds = _make(frozen, min(n_trials, MOST_COPIES), backend, normalize)
        self._seen: VecEnv = self._worlds
        """The worlds as the agent sees them."""

    def follow(self, env: Any) -> None:
        """Scale observations and infer contexts by what an agent's own worlds have learned.

        Args:
            env: the agent's worlds.
        """
        learned = getattr(env.unwrapped, "normalization", None)
        if learned is not None and self._worlds.normalization is not None:
            self._worlds.normalization.freeze(learned.get_statistics())
        self._seen = env.twin(self._worlds) if hasattr(env, "twin") else self._worlds

    def play(self, trials: Sequence[Trial], act: Act) -> Iterator[Outcome]:
        """Live one episode for each trial.

        Args:
            trials: those with equal contexts side by side.
            act: chooses actions.

        Yields:
            What each came to, in their order.
        """
        left = list(trials)
        while left:
            together = [
                trial
                for trial in left[: self._worlds.num_envs]
                if not self._alike or trial.context == left[0].context
            ]
            del left[: len(together)]
            yield from self._play_together(together, act)

    @property
    def action_space(self) -> Space:
        """The actions of one copy."""
        return self._worlds.action_space

    def close(self) -> None:
        """Close the worlds."""
        self._worlds.close()

    @property
    def _engine(self) -> Engine:
        return self._worlds.engine

    def _play_together(self, trials: Sequence[Trial], act: Act) -> list[Outcome]:
        worlds, n_trials = self._worlds, len(trials)
        filled = [*trials, *[trials[0]] * (worlds.num_envs - n_trials)]
        observations = self._begin(filled)
        rewards, dones = np.zeros(worlds.num_envs), np.ones(worlds.num_envs, dtype=bool)
        success: list[bool | None] = [None] * n_trials
        final: list[bool | None] = [None] * n_trials
        outcomes: dict[int, Outcome] = {}
        for step in range(1, self._most_steps + 1):
            observations, got, dones, infos = self._seen.step(act(observations, filled, dones))
            rewards += got
            for copy in range(n_trials):
                if copy in outcomes:
                    continue
                told = _success(infos[copy])
                if told is not None:
                    success[copy] = bool(success[copy]) or told
                    final[copy] = bool(infos[copy].get("success_final", told))
                if dones[copy]:
                    parts = tuple(infos[copy].get(TRIAL, ()))
                    total = sum(part["r"] for part in parts or (infos[copy]["episode"],))
                    outcomes[copy] = Outcome(total, step, success[copy], True, final[copy], parts)
            if len(outcomes) == n_trials:
                break
        return [
            outcomes.get(copy)
            or Outcome(float(rewards[copy]), self._most_steps, success[copy], False, final[copy])
            for copy in range(n_trials)
        ]

    def _begin(self, trials: Sequence[Trial]) -> Any:
        """Begin all episodes; copies without a trial of their own repeat the first."""
        context = {
            name: np.array([trial.context[name] for trial in trials]) for name in trials[0].context
        }
        self._engine.hold(context, trials[0].seed)
        self._worlds.prepare_anew([trial.seed for trial in trials])
        return self._seen.reset()


def _make(
    stream: Stream,
    n_copies: int,
    backend: Backend,
    normalize: Mapping[str, Any] | Literal[False],
) -> StreamVecEnv:
    worlds: Any = make_vec_env(
        stream, n_copies, seed=0, backend=backend, training=False, normalize=normalize
    )
    return worlds


def _success(info: Mapping[str, Any]) -> bool | None:
    return next((bool(info[name]) for name in _SUCCESS if name in info), None)
