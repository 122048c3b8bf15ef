"""The clocks of a stream, and the context that every copy of its world has by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .change import Change, Place, places, require_own_knobs
from .errors import SettingsError

_FOREVER = np.iinfo(np.int64).max


class Clockwork:
    """Counts steps and episodes of all copies, and moves each knob when its time has come.

    Between changes a tick costs a few comparisons. What it computes is a pure function of the seed,
    of the steps counted, and of where episodes ended.

    Args:
        changes: the changes; no two may move the same knob.
        seed: the stream's seed, at least 0.
        n_copies: copies of the world, at least 1.

    Raises:
        SettingsError: if two changes move the same knob, or the seed is negative.

    Attributes:
        clock: environment steps of all copies.
        context: each knob's value in each copy, shape (n_copies,). Arrays are replaced when they
            change, never written to.
        segments: how many changes have landed in each copy, shape (n_copies,).
        landed: the clock at which the latest landed in each copy, shape (n_copies,).
        changed: in which copies one has just landed, shape (n_copies,).

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import Values
        >>> clockwork = Clockwork([Change("wind", Values((0.0, 3.0)), Periodic(4))], 0, n_copies=2)
        >>> clockwork.tick(np.zeros(2, dtype=bool))
        (set(), array([False, False]))
        >>> clockwork.tick(np.zeros(2, dtype=bool))
        ({'wind'}, array([False, False]))
        >>> clockwork.context
        {'wind': array([3., 3.])}
    """

    def __init__(self, changes: Sequence[Change], seed: int, n_copies: int) -> None:
        require_own_knobs(changes)
        if seed < 0:
            raise SettingsError(f"a stream's seed must be at least 0, not {seed}")
        self.n_copies = n_copies
        self.seed = seed
        self.clock = 0
        self._steps = 0
        self.episode_steps = np.zeros(n_copies, dtype=np.int64)
        self.episodes = np.zeros(n_copies, dtype=np.int64)
        self.context: dict[str, np.ndarray] = {}
        self.segments = np.zeros(n_copies, dtype=np.int64)
        self.landed = np.zeros(n_copies, dtype=np.int64)
        self._nobody = np.zeros(n_copies, dtype=bool)
        self.changed = self._nobody
        self._gears = [
            _Gear(change, place, self)
            for change, place in zip(changes, places(changes), strict=True)
        ]
        everybody = np.ones(n_copies, dtype=bool)
        for gear in self._gears:
            gear.turn(self, everybody)
        self._begun = False

    def tick(self, ended: np.ndarray) -> tuple[set[str], np.ndarray]:
        """Count one step of every copy, and move what is due.

        Args:
            ended: which copies' episodes ended with this step, shape (n_copies,).

        Returns:
            The knobs that moved, and which episodes end because a change lands at a boundary.
        """
        self.clock += self.n_copies
        self._steps += 1
        self.episode_steps += 1
        self.changed = self._nobody
        moved: set[str] = set()
        cut = self._nobody
        steps: dict[int, np.ndarray] = {}
        for gear in self._gears:
            if gear.waits:
                continue
            due = gear.due(self)
            if due is self._nobody:
                continue
            step = gear.turn(self, due)
            moved.add(gear.knob)
            _join(steps, gear.group, step)
            if gear.cuts:
                cut = cut | ((step != 0) & ~ended)
        self._count(steps)
        return moved, cut

    def begin_episodes(self, which: np.ndarray) -> set[str]:
        """Begin a new episode in some copies, and move what waited for that.

        Args:
            which: the copies, shape (n_copies,).

        Returns:
            The knobs that moved.
        """
        if not self._begun:  # the first episode of a life is number 0
            self._begun = True
            return set()
        self.episode_steps[which] = 0
        self.episodes[which] += 1
        moved: set[str] = set()
        steps: dict[int, np.ndarray] = {}
        for gear in self._gears:
            if not gear.by_episode:
                continue
            due = which & (gear.due(self) | gear.fresh)
            if due.any():
                _join(steps, gear.group, gear.turn(self, due))
                moved.add(gear.knob)
        self._count(steps)
        return moved

    def place(self, context: Mapping[str, np.ndarray], which: np.ndarray) -> set[str]:
        """Give some copies a context that no change has come to by itself.

        Args:
            context: each knob's values, one entry a copy.
            which: the copies, shape (n_copies,).

        Returns:
            The knobs that moved.
        """
        moved, differ = set(), self._nobody
        for knob, values in context.items():
            placed = np.where(which, values, self.context[knob])
            other = placed != self.context[knob]
            if other.any():
                self.context[knob] = placed
                moved.add(knob)
                differ = differ | other
        if self.clock:  # what a life begins with is no change
            self._count({0: differ.astype(np.int64)})
        return moved

    def go_unnoticed(self) -> None:
        """Forget which copies have just changed: it has been told."""
        self.changed = self._nobody

    def _count(self, steps: dict[int, np.ndarray]) -> None:
        """Count landings: changes that land together are one."""
        for step in steps.values():
            landed = step != 0
            if landed.any():
                self.segments = self.segments + step
                self.landed = np.where(landed, self.clock, self.landed)
                self.changed = self.changed | landed

    def time_of(self, clock: str) -> int | np.ndarray:
        """Read one of the four clocks: a number for all copies, or one for each."""
        if clock == "global":
            return self.clock
        if clock == "copy":
            return self._steps
        return self.episode_steps if clock == "episode" else self.episodes

    def get_state(self) -> dict[str, Any]:
        """Return the counters; with the changes and the seed they are the whole state."""
        return {
            "clock": self.clock,
            "steps": self._steps,
            "begun": self._begun,
            "episode_steps": self.episode_steps.copy(),
            "episodes": self.episodes.copy(),
            "segments": self.segments.copy(),
            "landed": self.landed.copy(),
            "gears": [gear.get_state(self.context[gear.knob]) for gear in self._gears],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self.clock, self._steps = state["clock"], state["steps"]
        self._begun = state["begun"]
        for name in ("episode_steps", "episodes", "segments", "landed"):
            setattr(self, name, np.array(state[name]))
        for gear, own in zip(self._gears, state["gears"], strict=True):
            self.context[gear.knob] = gear.set_state(own)
        self.changed = (self.landed == self.clock) & (self.segments > 0)


class _Gear:
    """One change, in all copies."""

    def __init__(self, change: Change, place: Place, clockwork: Clockwork) -> None:
        n_copies = clockwork.n_copies
        self._change = change
        self._place = place
        self._offsets = np.array([change.offset(copy, n_copies) for copy in range(n_copies)])
        self._numbers = np.zeros(n_copies, dtype=np.int64)
        self._stops = np.zeros(n_copies, dtype=np.int64)
        self._next = 0
        self._alike = change.scope == "shared" and change.clock in ("global", "copy")
        self.knob = change.knob
        self.group = place.group
        self.waits = change.landing == "next-reset" or change.clock == "episodes"
        self.cuts = change.landing == "boundary"
        self.by_episode = self.waits or change.clock == "episode"
        self.fresh = change.clock == "episode"
        clockwork.context[change.knob] = np.zeros(n_copies)

    def due(self, clockwork: Clockwork) -> np.ndarray:
        """Say in which copies the present value's time is over."""
        now = clockwork.time_of(self._change.clock)
        if self._alike and not self.waits and now < self._next:
            return clockwork._nobody
        return now + self._offsets >= self._stops

    def turn(self, clockwork: Clockwork, which: np.ndarray) -> np.ndarray:
        """Give some copies the value of the present time.

        Returns:
            How many changes have landed in each copy.
        """
        values = clockwork.context[self.knob].copy()
        steps = np.zeros(clockwork.n_copies, dtype=np.int64)
        times = np.broadcast_to(clockwork.time_of(self._change.clock), values.shape)
        state = None
        for copy in np.flatnonzero(which).tolist():
            if state is None or not self._alike:
                episode = int(clockwork.episodes[copy])
                seeds = self._change.seeds(clockwork.seed, self._place, copy, episode)
                state = self._change.state(int(times[copy] + self._offsets[copy]), seeds)
            begun = self.fresh and clockwork.episode_steps[copy] == 0
            # A fresh draw is a change unless it comes to the same.
            fresh = int(state.value != values[copy])
            steps[copy] = fresh if begun else state.number - self._numbers[copy]
            values[copy] = state.value
            self._numbers[copy] = state.number
            self._stops[copy] = _FOREVER if state.stop is None else state.stop
        self._next = int(self._stops[0])
        clockwork.context[self.knob] = values
        return steps

    def get_state(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Return which segment each copy is in, until when, and with which value."""
        return {"numbers": self._numbers.copy(), "stops": self._stops.copy(), "values": values}

    def set_state(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Go on from what `get_state` returned; the values are returned."""
        self._numbers, self._stops = np.array(state["numbers"]), np.array(state["stops"])
        self._next = int(self._stops[0])
        return np.array(state["values"])


def _join(steps: dict[int, np.ndarray], group: int, step: np.ndarray) -> None:
    steps[group] = np.maximum(steps[group], step) if group in steps else step
