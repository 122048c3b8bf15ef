"""A wrapper that changes all copies of a vectorised world while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper

from .change import Change, Moment, Timeline
from .errors import SettingsError
from .knobs import KnobBoard
from .non_stationary import as_change, choose_seed, tell


@runtime_checkable
class ContextSetter(Protocol):
    """A vectorised world that sets its own context."""

    def set_context(self, context: Mapping[str, float]) -> bool:
        """Give every copy this context.

        Returns:
            Whether the episodes in progress are over, so that a full `reset` must follow.
        """


class VectorNonStationary(VectorWrapper):
    """Changes all copies of a world together, by one clock of environment steps.

    The clock counts the steps of all copies: with eight copies it moves by eight a step, and a
    change lands at the first step at or after its moment. Where the worlds must be rebuilt to
    change (envpool), the episodes in progress are truncated there, and `info["final_obs"]` holds
    their last observations.

    The scalar version is `NonStationary`, which says what a seed does.

    Args:
        env: a `SyncVectorEnv`, or a vector environment with a `set_context` of its own; its
            autoreset mode must be same-step, so that no step is ignored and the clock is true.
        changes: the changes, or the plain data that `Change.to_data` returned.
        seed: the stream's seed. None: the seed of `reset(seed=...)`, or a random one.
        boundary_labels: whether `info` tells the learner of changes under the key "boundary".

    Raises:
        SettingsError: for a knob that is unknown or that the world does not have, another
            autoreset mode, or a vector environment whose worlds cannot be reached.

    Example:
        >>> import gymnasium, everlearn.envs
        >>> env = gymnasium.make_vec("everlearn/SlipperyAnt-v0", num_envs=2, change_every=4)
        >>> _, info = env.reset(seed=0)
        >>> for _ in range(3):
        ...     print(info["segment"], info["steps_since_change"])
        ...     _, _, _, _, info = env.step(env.action_space.sample())
        [0 0] [0 0]
        [0 0] [2 2]
        [1 1] [0 0]

    Change logs:
        * v0.1.0 - Initially added
    """

    def __init__(
        self,
        env: VectorEnv,
        changes: Sequence[Change | Mapping[str, Any]],
        seed: int | None = None,
        boundary_labels: bool = False,
    ) -> None:
        super().__init__(env)
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise SettingsError("VectorNonStationary needs worlds with same-step autoreset")
        self._changes = [as_change(change) for change in changes]
        self._world = _context_setter(env, [change.knob for change in self._changes])
        self._fixed_seed = seed
        self._boundary_labels = boundary_labels
        self._timeline: Timeline | None = None
        self._clock = 0
        self._moment: Moment

    @property
    def clock(self) -> int:
        """Environment steps of all copies since this life began."""
        return self._clock

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every copy; with a seed, begin the stream anew as well."""
        first = seed if seed is None or isinstance(seed, int) else seed[0]
        if first is not None or self._timeline is None:
            self._timeline = Timeline(self._changes, choose_seed(self._fixed_seed, first))
            self._clock = 0
            self._moment = self._timeline.at(0)
            self._world.set_context(self._moment.context)
        observations, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        return observations, {**info, **self._truth()}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a step in the present context, then move to the next clock's."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        self._clock += self.num_envs
        if self._moment.stop is not None and self._clock >= self._moment.stop:
            assert self._timeline is not None
            self._moment = self._timeline.at(self._clock)
            if self._world.set_context(self._moment.context):
                observations, truncated, info = self._cut(observations, terminated, truncated, info)
        return observations, rewards, terminated, truncated, {**info, **self._truth()}

    def _cut(
        self,
        observations: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        info: dict[str, Any],
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Truncate the episodes that were in progress when the worlds were rebuilt."""
        ended = terminated | truncated
        final = info.get("final_obs", np.full(self.num_envs, None, dtype=object))
        for i in np.flatnonzero(~ended):
            final[i] = observations[i].copy()
        fresh, fresh_info = self.env.reset()
        every = np.ones(self.num_envs, dtype=bool)
        return (
            fresh,
            truncated | ~ended,
            {**info, **fresh_info, "final_obs": final, "_final_obs": every},
        )

    def _truth(self) -> dict[str, Any]:
        """Return what `tell` says, an array entry a copy, as vector environments do."""
        truth = tell(self._moment, self._clock, self.num_envs, self._boundary_labels)
        return {key: self._copies(value) for key, value in truth.items()}

    def _copies(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._copies(entry) for name, entry in value.items()}
        return np.full(self.num_envs, value)


class _InPlace:
    """Sets the context of a `SyncVectorEnv` by the knobs of each of its worlds."""

    def __init__(self, env: SyncVectorEnv, knobs: Sequence[str]) -> None:
        self._boards = [KnobBoard(single, knobs) for single in env.envs]

    def set_context(self, context: Mapping[str, float]) -> bool:
        for board in self._boards:
            board.write(context)
        return False


def _context_setter(env: VectorEnv, knobs: Sequence[str]) -> ContextSetter:
    world = env.unwrapped
    if isinstance(world, ContextSetter):
        return world
    if isinstance(world, SyncVectorEnv):
        return _InPlace(world, knobs)
    raise SettingsError(f"cannot change the worlds inside a {type(world).__name__}")
