"""How well an agent that infers contexts knows the age of the present segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from ..agents.belief import first_step, predict_age, update_age
from ..envs.stream import Stream
from ..wrappers.info import CONTEXT, SEGMENT
from ..wrappers.values import Categorical, Values

LATE = 5
"""Ages up to this one are not judged: nobody can know so soon."""

NEAR = 3
"""How many steps the most likely age may be away from the true one."""

_SETTLING = 500
"""Steps of each copy before the first that is judged."""


@final
class TwoSides(NamedTuple):
    """A context that is one of two values.

    Attributes:
        knob: of which it consists.
        stays: how likely a new segment has the value of the last.
    """

    knob: str
    stays: float

    @classmethod
    def of(cls, stream: Stream) -> TwoSides | None:
        """Return a stream's context if it is one of two values, drawn at random or in turn.

        Args:
            stream: any.

        Example:
            >>> from everlearn.envs import make_stream
            >>> TwoSides.of(make_stream("everlearn/CartPoleForceSign-v0"))
            TwoSides(knob='cartpole-force', stays=0.5)
        """
        if len(stream.changes) != 1:
            return None
        (change,) = stream.changes
        law = change.law
        if isinstance(law, Values) and len(law.values) == 2:
            return cls(change.knob, 0.0)
        if isinstance(law, Categorical) and len(law.values) == 2 and not law.weights:
            return cls(change.knob, 0.5)
        return None


@final
class ExactFilter:
    """The filter of a world whose context is one of two, and is seen in each step without noise.

    It has the true law of lengths and the true likelihoods, so that nothing can know more.

    Args:
        hazard: how likely a segment ends at each age, of shape (ages,).
        n_copies: copies of the world.
        stays: how likely a new segment has the context of the last.
    """

    def __init__(self, hazard: Tensor, n_copies: int, stays: float = 0.5) -> None:
        self._hazard, self._stays = hazard, stays
        self._log_ages = first_step((n_copies,), len(hazard), torch.float64)
        self._before = np.full(n_copies, np.nan)

    def see(self, contexts: np.ndarray) -> np.ndarray:
        """Return the most likely age of a step of each copy.

        Args:
            contexts: in which the steps were taken, of shape (copies,).
        """
        log_likelihoods = torch.zeros_like(self._log_ages)
        changed = torch.from_numpy(contexts != self._before)
        log_likelihoods[:, 0] = torch.where(changed, 1 - self._stays, self._stays).log()
        log_likelihoods[changed, 1:] = -torch.inf
        known = update_age(self._log_ages, log_likelihoods)
        self._log_ages = predict_age(known, self._hazard)
        self._before = contexts.copy()
        return known.argmax(dim=1).numpy() + 1


@final
class AgeWatch(BaseCallback):
    """Compares the most likely age of each step with the true one, in the last part of learning.

    The world's segments are one truth. Where a context was drawn again by chance, nothing has
    changed, and the steps since it really changed are the other.

    Args:
        begin: environment step, over all copies, from which on to compare.
        sides: the context, if it is one of two values; None to compare nothing.
        kept: steps of the first copy to be kept for a picture.
    """

    def __init__(self, begin: int, sides: TwoSides | None, kept: int = 400) -> None:
        super().__init__()
        self._begin, self._sides, self._kept = begin, sides, kept
        self._infos: Sequence[Mapping[str, Any]] = ()
        self._exact: ExactFilter | None = None
        self._ages: dict[str, np.ndarray] = {}
        self._before: dict[str, np.ndarray] = {}
        self._near: dict[str, list[np.ndarray]] = {}
        self.trace: list[dict[str, Any]] = []
        """The last steps of the first copy: belief, most likely age, true age and context."""
        self.episodes: list[tuple[int, float]] = []
        """Environment step and return of each episode that ended."""

    @property
    def shares(self) -> dict[str, float]:
        """The share of steps at which the most likely age was near, by truth and filter."""
        return {
            name: float(np.concatenate(near).mean()) for name, near in self._near.items() if near
        }

    def _on_training_start(self) -> None:
        self._infos = list(self.training_env.unwrapped.reset_infos)

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        for info in infos:
            if "episode" in info:
                self.episodes.append((self.num_timesteps, float(info["episode"]["r"])))
        self._look()
        begun = self.training_env.unwrapped.reset_infos
        dones = self.locals["dones"]
        self._infos = [begun[i] if done else infos[i] for i, done in enumerate(dones)]
        return True

    def _look(self) -> None:
        """Judge the step, which was taken in the world that the info before it told."""
        worlds: Any = self.training_env
        inferred = worlds.inferred
        if self._sides is None or inferred is None or worlds.settings.kind != "secbad":
            return
        # Before, only enough to know the true ages, and for the exact filter to settle.
        if self.num_timesteps < self._begin - _SETTLING * worlds.num_envs:
            return
        contexts = np.array([info[CONTEXT][self._sides.knob] for info in self._infos])
        truths = {
            "segment": np.array([info[SEGMENT] for info in self._infos]),
            "context": contexts,
        }
        for name, values in truths.items():
            age = self._ages.get(name, np.zeros(len(values), dtype=int))
            same = values == self._before.get(name, values)
            self._ages[name], self._before[name] = np.where(same, age + 1, 1), values
        if self._exact is None:
            self._exact = ExactFilter(worlds.settings.hazard, len(contexts), self._sides.stays)
        exact = self._exact.see(contexts)
        if self.num_timesteps < self._begin:
            return
        found = inferred.log_ages.argmax(dim=1).numpy() + 1
        for truth, ages in self._ages.items():
            late = ages > LATE
            for who, guess in (("learned", found), ("exact", exact)):
                near = np.abs(guess - ages)[late] <= NEAR
                self._near.setdefault(f"{who}, {truth}", []).append(near)
        row = {
            "belief": inferred.log_ages[0].exp().numpy(),
            "age": int(found[0]),
            "exact": int(exact[0]),
            "segment": int(self._ages["segment"][0]),
            "context": float(contexts[0]),
        }
        self.trace = [*self.trace[1 - self._kept :], row]
