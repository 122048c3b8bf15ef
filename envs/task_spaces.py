"""One pair of spaces for several worlds, and the way from it to each world's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from ..wrappers.errors import SettingsError


def union_observations(spaces: Sequence[Space]) -> Box:
    """Return the box that holds every world's observations, padded with zeros.

    Boxes of one shape keep it. Others become flat, as long as the longest; images, which have three
    axes or more, are not made flat, and must be of one shape.

    Args:
        spaces: each world's observation space.

    Returns:
        Their union.

    Raises:
        SettingsError: for a space that is no box, images of different shapes, or images of bytes
            beside other numbers.

    Example:
        >>> union_observations([Box(-1, 2, (2,)), Box(0, 2, (3,))])
        Box([-1. -1.  0.], 2.0, (3,), float32)
    """
    boxes = [_require_box("observations", space) for space in spaces]
    shapes = {box.shape for box in boxes}
    if len(shapes) > 1 and any(len(shape) > 2 for shape in shapes):
        raise SettingsError(f"images of a task sequence must be of one shape, not {sorted(shapes)}")
    if len({np.issubdtype(box.dtype, np.floating) for box in boxes}) > 1:
        raise SettingsError("a task sequence cannot mix observations of bytes and of real numbers")
    return _union(boxes, padding=0.0)


def union_actions(spaces: Sequence[Space]) -> Box | Discrete:
    """Return the space that offers every world's actions.

    Args:
        spaces: each world's action space.

    Returns:
        The largest of discrete spaces; of boxes one that is as long as the longest, and reaches in
        each entry from the lowest to the highest bound of the worlds that have this entry.

    Raises:
        SettingsError: for a mixture of boxes and discrete spaces, other spaces, discrete spaces
            that do not begin at 0, or different bounds of which some are infinite.

    Example:
        >>> union_actions([Discrete(2), Discrete(4)])
        Discrete(4)
    """
    if all(isinstance(space, Discrete) for space in spaces):
        discrete = [space for space in spaces if isinstance(space, Discrete)]
        if any(space.start != 0 for space in discrete):
            raise SettingsError("discrete actions of a task sequence must begin at 0")
        return Discrete(max(int(space.n) for space in discrete))
    if any(isinstance(space, Discrete) for space in spaces):
        raise SettingsError("a task sequence cannot mix discrete and continuous actions")
    union = _union([_require_box("actions", space) for space in spaces], padding=None)
    for space in spaces:
        assert isinstance(space, Box)
        low, high = _own_bounds(space, union)
        differs = (low != space.low.ravel()) | (high != space.high.ravel())
        if differs.any() and not np.isfinite([low[differs], high[differs]]).all():
            raise SettingsError("actions of a task sequence cannot be scaled to infinite bounds")
    return union


def real_entries(own: Space, union: Box) -> np.ndarray:
    """Return which entries of the union's observations a world fills."""
    assert own.shape is not None
    return (np.arange(np.prod(union.shape)) < np.prod(own.shape)).reshape(union.shape)


def pad_observations(observations: np.ndarray, own: Space, union: Box) -> np.ndarray:
    """Turn a world's observations into the union's.

    Args:
        observations: one observation, or several along a first axis.
        own: the world's space of one observation.
        union: the union's.

    Returns:
        A new array wherever anything differs.

    Example:
        >>> pad_observations(np.ones(2), Box(-1, 1, (2,)), Box(-1, 1, (4,)))
        array([1., 1., 0., 0.], dtype=float32)
    """
    assert own.shape is not None
    if own.shape == union.shape:
        return np.asarray(observations, dtype=union.dtype)
    copies = np.shape(observations)[: np.ndim(observations) - len(own.shape)]
    flat = np.reshape(observations, (*copies, -1))
    padded = np.zeros((*copies, *union.shape), dtype=union.dtype)
    padded[..., : flat.shape[-1]] = flat
    return padded


def translate_actions(actions: np.ndarray, own: Space, union: Space) -> np.ndarray:
    """Turn the union's actions into a world's own.

    Of a longer array the world takes the first entries. Bounds that differ from the union's are
    scaled to: the union's lowest is the world's lowest. A discrete action that the world lacks is
    its action 0, which does nothing in Atari, LunarLander and many others.

    Args:
        actions: one action, or several along a first axis.
        own: the world's space of one action.
        union: the union's.

    Returns:
        The world's actions.

    Example:
        >>> translate_actions(np.array([1, 3]), Discrete(2), Discrete(4))
        array([1, 0])
    """
    if isinstance(own, Discrete):
        return np.where(np.asarray(actions) < own.n, actions, 0)
    assert isinstance(own, Box)
    assert isinstance(union, Box)
    copies = np.shape(actions)[: np.ndim(actions) - len(union.shape)]
    flat = np.reshape(actions, (*copies, -1))[..., : int(np.prod(own.shape))]
    low, high = _own_bounds(own, union)
    to_low, to_high = own.low.ravel(), own.high.ravel()
    differs = (low != to_low) | (high != to_high)
    if differs.any():
        flat = np.array(flat, dtype=np.float64)
        share = (flat[..., differs] - low[differs]) / (high - low)[differs]
        flat[..., differs] = to_low[differs] + share * (to_high - to_low)[differs]
    return flat.reshape((*copies, *own.shape)).astype(own.dtype)


def _union(boxes: Sequence[Box], padding: float | None) -> Box:
    """Join boxes' bounds; `padding` is the number that shorter ones are filled up with, if any."""
    shapes = {box.shape for box in boxes}
    size = max(int(np.prod(shape)) for shape in shapes)
    shape = boxes[0].shape if len(shapes) == 1 else (size,)
    dtype = np.result_type(*(box.dtype for box in boxes))
    lows, highs = np.full((2, len(boxes), size), np.nan)
    for i, box in enumerate(boxes):
        n = int(np.prod(box.shape))
        lows[i, :n], highs[i, :n] = box.low.ravel(), box.high.ravel()
    if padding is not None:
        lows[np.isnan(lows)] = highs[np.isnan(highs)] = padding
    low, high = np.fmin.reduce(lows), np.fmax.reduce(highs)
    return Box(
        low.reshape(shape).astype(dtype), high.reshape(shape).astype(dtype), dtype=dtype.type
    )


def _own_bounds(own: Box, union: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return the union's bounds of the entries that a world has."""
    n = int(np.prod(own.shape))
    return union.low.ravel()[:n], union.high.ravel()[:n]


def _require_box(kind: str, space: Any) -> Box:
    if not isinstance(space, Box):
        raise SettingsError(f"{kind} of a task sequence must be boxes, not {space}")
    return space
