"""The knobs of all copies of a world, each copy with values of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, final

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from ...wrappers.errors import SettingsError
from ...wrappers.knobs import KnobBoard

Value: TypeAlias = ArrayLike
"""A knob's value for all copies, or one for each: shape (copies,)."""


@final
class CopiesContext:
    """Turns the knobs of copies, and remembers where they are.

    Args:
        copies: unwrapped worlds, or what looks to knobs like them, untouched.
        knobs: knobs that will be turned; others join when they are first turned.

    Raises:
        SettingsError: for an unknown knob, or one that the worlds lack.
    """

    def __init__(self, copies: Sequence[gymnasium.Env], knobs: Iterable[str] = ()) -> None:
        self._copies = copies
        self._knobs = list(knobs)
        self._boards = [KnobBoard(one, self._knobs) for one in copies]
        self._values: dict[str, np.ndarray] = {}

    def write(self, context: Mapping[str, Value]) -> None:
        """Turn the knobs that are named, in the copies where their values differ from before.

        Args:
            context: each knob's value, or one for each copy.

        Raises:
            SettingsError: for an unknown knob, one that the worlds lack, or a value out of range;
                the context stays as it was.
        """
        wanted = {name: self._spread(name, value) for name, value in context.items()}
        missing = [name for name in wanted if name not in self._knobs]
        if missing:
            self._join(missing)
        present = dict(self._values)
        try:
            self._turn(wanted)
        except BaseException:
            self.restore()
            self._turn(present)
            raise

    def restore(self) -> None:
        """Put every knob back to where it was found."""
        for board in self._boards:
            board.restore()
        self._values = {}

    def read(self) -> dict[str, np.ndarray]:
        """Read every knob that was turned back from the simulator, a value a copy."""
        found = [board.read() for board in self._boards]
        return {name: np.array([one[name] for one in found]) for name in self._values}

    def values(self) -> dict[str, np.ndarray]:
        """Return what was written last, a value a copy."""
        return {name: values.copy() for name, values in self._values.items()}

    def _join(self, knobs: Sequence[str]) -> None:
        """Take up more knobs; all are put back meanwhile, so that defaults are read untouched."""
        together = [*self._knobs, *knobs]
        KnobBoard(self._copies[0], together)  # refuses what is wrong before anything is put back
        present = self._values
        self.restore()
        self._knobs = together
        self._boards = [KnobBoard(one, together) for one in self._copies]
        self._turn(present)

    def _turn(self, context: dict[str, np.ndarray]) -> None:
        for index, board in enumerate(self._boards):
            moved = {
                name: float(row[index])
                for name, row in context.items()
                if name not in self._values or self._values[name][index] != row[index]
            }
            if moved:
                board.write(moved)
        self._values |= context

    def _spread(self, name: str, value: Value) -> np.ndarray:
        given = np.asarray(value, dtype=np.float64)
        n_copies = len(self._copies)
        if given.shape not in ((), (n_copies,)):
            raise SettingsError(
                f"knob {name!r} takes one value or one for each of {n_copies} copies, "
                f"not values of shape {given.shape}"
            )
        return np.array(np.broadcast_to(given, (n_copies,)))
