"""What vector environments are given for all of their copies at once: seeds and contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..wrappers.errors import SettingsError


def first_seed(seed: int | Sequence[int]) -> int:
    """Return the one seed that decides everything: gymnasium also allows one a copy."""
    return int(seed) if isinstance(seed, int | np.integer) else int(seed[0])


def random_seed() -> int:
    """Return a seed nobody chose."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def derive_seed(seed: int, number: int) -> int:
    """Return the seed of the next of several worlds.

    Args:
        seed: the seed of them all, at least 0.
        number: how many came before.

    Returns:
        A seed below 2**31, which envpool needs, that is far from the others.

    Example:
        >>> derive_seed(0, 0) == derive_seed(0, 0) != derive_seed(0, 1)
        True
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] % 2**31)


def common_value(knob: str, value: Any) -> float:
    """Return the one value that a context gives to every copy.

    Args:
        knob: the knob's name, for the sentence.
        value: a number, or an array of equal numbers, one a copy.

    Returns:
        The number.

    Raises:
        SettingsError: if the copies' values differ.

    Example:
        >>> common_value("task", np.array([2, 2]))
        2.0
    """
    values = np.unique(np.asarray(value, dtype=np.float64))
    if len(values) != 1:
        raise SettingsError(f"{knob!r} must be the same in every copy, not {value!r}")
    return float(values[0])
