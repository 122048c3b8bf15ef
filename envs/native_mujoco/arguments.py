"""What callers hand to the worlds, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...wrappers.errors import SettingsError


def check_counts(num_envs: int, n_threads: int | None, max_episode_steps: int | None) -> None:
    """Refuse numbers that make no sense.

    Args:
        num_envs: number of copies, at least 1.
        n_threads: number of threads, at least 1, or None.
        max_episode_steps: the longest episode, at least 1, or -1 for no limit, or None.

    Raises:
        SettingsError: naming what is allowed.
    """
    if num_envs < 1:
        raise SettingsError(f"the number of copies must be at least 1, not {num_envs}")
    if n_threads is not None and n_threads < 1:
        raise SettingsError(f"the number of threads must be at least 1, not {n_threads}")
    if max_episode_steps is not None and max_episode_steps < 1 and max_episode_steps != -1:
        raise SettingsError(f"max_episode_steps must be above 0, or -1, not {max_episode_steps}")


def count_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seeds_of_copies(seed: int | Sequence[int | None] | None, n_copies: int) -> Sequence[int | None]:
    """Return a seed for each copy, as gymnasium's vector environments choose them.

    Args:
        seed: of the first copy, or one for each, or None.
        n_copies: number of copies.

    Raises:
        SettingsError: if a sequence has another length.

    Example:
        >>> seeds_of_copies(5, 3)
        [5, 6, 7]
    """
    if seed is None:
        return [None] * n_copies
    if isinstance(seed, int | np.integer):
        return [int(seed) + index for index in range(n_copies)]
    if len(seed) != n_copies:
        raise SettingsError(f"{n_copies} copies need as many seeds, not {len(seed)}")
    return seed


def reset_mask(options: Mapping[str, Any] | None, n_copies: int) -> np.ndarray:
    """Return which copies to reset: all, unless the options say otherwise.

    Args:
        options: of `reset`.
        n_copies: number of copies.

    Raises:
        SettingsError: if the options' "reset_mask" is no array of bools, one a copy, true
            somewhere.
    """
    mask = (options or {}).get("reset_mask")
    if mask is None:
        return np.ones(n_copies, dtype=bool)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or not mask.any():
        raise SettingsError("reset_mask must be an array of bools, true somewhere")
    if mask.shape != (n_copies,):
        raise SettingsError(f"reset_mask must have the shape ({n_copies},), not {mask.shape}")
    return mask
