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
    """

    def __init__(self, copies: Sequence[gymnasium.Env]) -> None:
        self._copies = copies
        self._boards: list[KnobBoard] = []
        self._values: dict[str, np.ndarray] = {}

    def write(self, context: Mapping[str, Value]) -> None:
        """Turn every knob that is named, and put all others back to where they were found.

        Args:
            context: each knob's value, or one for each copy.

        Raises:
            SettingsError: for an unknown knob, one that the worlds lack, or a value out of range;
                the context stays as it was.
        """
        wanted = {name: self._spread(name, value) for name, value in context.items()}
        present = self._values
        self._use(wanted)
        try:
            self._turn(wanted)
        except BaseException:
            self._use(present)
            self._turn(present)
            raise

    def read(self) -> dict[str, np.ndarray]:
        """Read every knob that was named back from the simulator, a value a copy."""
        found = [board.read() for board in self._boards]
        return {name: np.array([one[name] for one in found]) for name in self._values}

    def values(self) -> dict[str, np.ndarray]:
        """Return what was written last, a value a copy."""
        return {name: values.copy() for name, values in self._values.items()}

    def _use(self, names: Iterable[str]) -> None:
        """Take up other knobs: all are put back first, so that defaults are read untouched."""
        if set(names) == set(self._values):
            return
        KnobBoard(self._copies[0], names)  # refuses what is unknown before anything is put back
        for board in self._boards:
            board.restore()
        self._values = {}
        self._boards = [KnobBoard(one, names) for one in self._copies]

    def _turn(self, values: dict[str, np.ndarray]) -> None:
        for index, board in enumerate(self._boards):
            board.write({name: float(row[index]) for name, row in values.items()})
        self._values = values

    def _spread(self, name: str, value: Value) -> np.ndarray:
        given = np.asarray(value, dtype=np.float64)
        n_copies = len(self._copies)
        if given.shape not in ((), (n_copies,)):
            raise SettingsError(
                f"knob {name!r} takes one value or one for each of {n_copies} copies, "
                f"not values of shape {given.shape}"
            )
        return np.array(np.broadcast_to(given, (n_copies,)))
