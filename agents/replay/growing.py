"""What a replay buffer must tell so that its checkpoints hold only what is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Growing(Protocol):
    """A replay buffer whose rows are numbered in the order in which they came."""

    n_added: int
    """Rows that ever came."""

    @property
    def first_needed(self) -> int:
        """The number of the oldest row that is still there."""

    def get_rows(self, first: int) -> dict[str, Any]:
        """Return the rows from a number on, as far as they are there.

        Args:
            first: the number.

        Returns:
            A tree of plain data; "end" is `n_added`.
        """

    def get_state(self) -> dict[str, Any]:
        """Return all that is not in rows."""

    def set_state(self, state: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        """Put the buffer into a state.

        Args:
            state: from `get_state` of a buffer made alike.
            rows: from `get_rows`, one after the other, the last ending where the state is.

        Raises:
            ValueError: rows are missing.
        """
