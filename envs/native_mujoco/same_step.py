"""`info` of a step in which copies begin again, as gymnasium's `SyncVectorEnv` tells it."""

from __future__ import annotations

from typing import Any

import numpy as np


def add_masks(info: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Say for every entry which copies it is about.

    Args:
        info: arrays whose first axis is the copies.
        mask: shape (copies,), bool.

    Returns:
        The entries, and under an underscore and the same name their masks.
    """
    return {**info, **{f"_{name}": mask for name in info}}


def spread(info: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Spread what some copies say over all of them.

    Args:
        info: arrays whose first axis is the copies of the mask, in order.
        mask: shape (all copies,), true for the copies that the entries are about.

    Returns:
        Arrays whose first axis is all copies, zero where nothing was said, and masks.
    """
    wide = {}
    for name, values in info.items():
        wide[name] = np.zeros((len(mask), *values.shape[1:]), dtype=values.dtype)
        wide[name][mask] = values
    return add_masks(wide, mask.copy())


def tell_endings(
    info: dict[str, np.ndarray],
    start: dict[str, np.ndarray],
    ended: np.ndarray,
    final_observations: np.ndarray,
) -> dict[str, Any]:
    """Tell of a step in which episodes ended and others began.

    Args:
        info: the step's entries, for all copies.
        start: the new episodes' first entries, for the ended copies only.
        ended: shape (copies,), bool, true somewhere.
        final_observations: the last observations of all copies.

    Returns:
        The entries of copies that go on and of new episodes; those of ended episodes under
        `final_info`, and their observations under `final_obs`.
    """
    final = np.full(len(ended), None, dtype=object)
    for index in np.flatnonzero(ended):
        final[index] = final_observations[index].copy()
    told: dict[str, Any] = {
        "final_obs": final,
        "final_info": spread({name: values[ended] for name, values in info.items()}, ended),
    }
    told |= {f"_{name}": ended.copy() for name in tuple(told)}
    going_on = ~ended
    for name, values in info.items():
        if name in start:
            values[ended] = start[name]
            told |= add_masks({name: values}, np.ones_like(ended))
        elif going_on.any():
            values[ended] = 0
            told |= add_masks({name: values}, going_on.copy())
    return told
