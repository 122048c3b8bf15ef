"""A wrapper that changes one world while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from . import info as names
from .change import Change, Moment, Timeline
from .knobs import KnobBoard


class NonStationary(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Changes a world in place, by a clock of environment steps that survives episode resets.

    The observation, the next action and the step that it leads to all belong to the same clock: at
    clock `k` the world has the context of clock `k`, and `info` tells it. `reset(seed=...)` begins
    a new life, with the clock at 0; `reset()` goes on with the old one.

    A vector version exists: `VectorNonStationary`.

    Args:
        env: the world. It must be untouched: its values now are what changes are undone to.
        changes: the changes, or the plain data that `Change.to_data` returned.
        seed: the stream's seed. None: the seed of `reset(seed=...)`, or a random one.
        boundary_labels: whether `info` tells the learner of changes under the key "boundary".

    Raises:
        SettingsError: for a knob that is unknown or that the world does not have.

    Example:
        >>> import gymnasium, everlearn.envs
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import Values
        >>> change = Change("friction", Values((1.0, 0.1)), Periodic(2))
        >>> env = NonStationary(gymnasium.make("Ant-v5"), [change])
        >>> _, info = env.reset(seed=0)
        >>> for _ in range(3):
        ...     print(info["segment"], info["context"])
        ...     _, _, _, _, info = env.step(env.action_space.sample())
        0 {'friction': 1.0}
        0 {'friction': 1.0}
        1 {'friction': 0.1}

    Change logs:
        * v0.1.0 - Initially added
    """

    def __init__(
        self,
        env: gymnasium.Env,
        changes: Sequence[Change | Mapping[str, Any]],
        seed: int | None = None,
        boundary_labels: bool = False,
    ) -> None:
        self._changes = [as_change(change) for change in changes]
        RecordConstructorArgs.__init__(
            self,
            changes=[change.to_data() for change in self._changes],
            seed=seed,
            boundary_labels=boundary_labels,
        )
        gymnasium.Wrapper.__init__(self, env)
        self._board = KnobBoard(env, [change.knob for change in self._changes])
        self._fixed_seed = seed
        self._boundary_labels = boundary_labels
        self._timeline: Timeline | None = None
        self._clock = 0
        self._moment: Moment

    @property
    def clock(self) -> int:
        """Environment steps since this life began."""
        return self._clock

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; with a seed, begin the stream anew as well."""
        if seed is not None or self._timeline is None:
            self._timeline = Timeline(self._changes, choose_seed(self._fixed_seed, seed))
            self._clock = 0
            self._move()
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, **self._truth()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step in the present context, then move to the next clock's."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._clock += 1
        if self._moment.stop is not None and self._clock >= self._moment.stop:
            self._move()
        return observation, reward, terminated, truncated, {**info, **self._truth()}

    def _move(self) -> None:
        assert self._timeline is not None
        self._moment = self._timeline.at(self._clock)
        self._board.write(self._moment.context)

    def _truth(self) -> dict[str, Any]:
        return tell(self._moment, self._clock, 1, self._boundary_labels)


def as_change(change: Change | Mapping[str, Any]) -> Change:
    """Return a change as it is, or read it from plain data."""
    return change if isinstance(change, Change) else Change.from_data(change)


def choose_seed(fixed: int | None, given: int | None) -> int:
    """Choose a stream's seed: the fixed one, else the one given to `reset`, else a random one."""
    if fixed is not None:
        return fixed
    if given is not None:
        return given
    return int(np.random.SeedSequence().generate_state(1)[0])


def tell(moment: Moment, clock: int, stride: int, boundary_labels: bool) -> dict[str, Any]:
    """Say in `info`'s terms what the world is like at one clock.

    Args:
        moment: the context at this clock.
        clock: the clock, in environment steps.
        stride: environment steps between two observations: the number of copies of the world.
        boundary_labels: whether the learner is told of changes.

    Returns:
        Entries for `info`, under the names of `everlearn.wrappers.info`.
    """
    since = clock - moment.start
    changed = moment.segment > 0 and since < stride
    truth = {
        names.CONTEXT: dict(moment.context),
        names.SEGMENT: moment.segment,
        names.STEPS_SINCE_CHANGE: since,
        names.CHANGED: changed,
    }
    if boundary_labels:
        truth[names.BOUNDARY] = changed
    return truth
