"""What a vector environment's `info` says of some of its copies, taken apart and joined."""

from __future__ import annotations

from typing import Any

import numpy as np


def only_info(info: dict[str, Any], copies: np.ndarray) -> dict[str, Any]:
    """Keep what info says of some copies, as if the others had said nothing.

    Args:
        info: a vector environment's info: arrays with an entry a copy, and masks `_key`.
        copies: which copies, shape (n_copies,).

    Returns:
        New arrays, with a mask for each.

    Example:
        >>> only_info({"speed": np.array([1.0, 2.0])}, np.array([False, True]))
        {'speed': array([0., 2.]), '_speed': array([False,  True])}
    """
    if not copies.any():
        return {}
    kept: dict[str, Any] = {}
    for key, value in info.items():
        if key[0] == "_" and key[1:] in info:
            continue
        mask = copies
        if f"_{key}" in info:
            mask = info[f"_{key}"] & copies
            if not mask.any():
                continue
        if isinstance(value, dict):
            kept[key] = only_info(value, mask)
        else:
            kept[key] = np.zeros_like(value)
            if value.dtype == object:
                kept[key][:] = None
            kept[key][mask] = value[mask]
        kept[f"_{key}"] = mask
    return kept


def merge_info(info: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Join what two infos say of different copies, into the first one's arrays where they fit.

    Args:
        info: of some copies.
        other: of other copies, as `only_info` returns it.

    Returns:
        What is known of all of them.
    """
    merged = dict(info)
    for key, value in other.items():
        if key not in info:
            merged[key] = value
        elif isinstance(value, dict):
            merged[key] = merge_info(info[key], value)
        elif key[0] == "_" and key[1:] in other:
            merged[key] = info[key] | value
        else:
            if info[key].dtype != value.dtype:
                merged[key] = info[key].astype(np.result_type(info[key], value))
            mask = other[f"_{key}"]
            merged[key][mask] = value[mask]
    return merged
