"""EnvPool's spaces as flat boxes, with bounds that are true."""

from __future__ import annotations

import warnings
from typing import Any, final

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space

from ..wrappers.errors import SettingsError

_LEFT_OUT = ("mission",)


def pool_spaces(spec: Any) -> tuple[Space, Space]:
    """Return a world's observation and action space with infinite bounds where there are none.

    EnvPool writes "unbounded" of some worlds (LunarLander, dm_control) as the range of *positive*
    numbers, in which no observation lies.

    Args:
        spec: what `envpool.make_spec` returned.

    Returns:
        The observation space and the action space of one copy.
    """
    with warnings.catch_warnings():
        # Gymnasium warns that the bounds it is given have more digits than the space's type.
        warnings.simplefilter("ignore")
        observations = _true_bounds(spec.gymnasium_observation_space)
        actions = _true_bounds(spec.gymnasium_action_space)
        if isinstance(actions, Box) and np.issubdtype(actions.dtype, np.floating):
            # As gymnasium and SB3 have them; the pool takes any float.
            actions = Box(actions.low, actions.high, dtype=np.float32)
    return observations, actions


@final
class FlatObservations:
    """Turns a pool's observations into one array a copy.

    A dictionary's entries follow one another in their order in the pool's own space, boxes
    flattened and discrete ones as one-hot vectors: dm_control's as dm_control orders them;
    MiniGrid's direction (4 entries), then its 7 x 7 x 3 image. Its mission, a text that never
    changes within most of the ids, is left out. Numbers are float64 where every entry is, else
    float32. What is one array already, such as Atari's 4 x 84 x 84 bytes, stays as it is.

    Args:
        space: one copy's space: a box, or a dictionary of boxes and discrete spaces.

    Raises:
        SettingsError: for a space with anything else in it.

    Example:
        >>> view = Dict({"direction": Discrete(4), "image": Box(0, 255, (2, 2), np.uint8)})
        >>> flat = FlatObservations(view)
        >>> flat({"direction": np.array([2]), "image": np.array([[[1, 2], [3, 4]]])})
        array([[0., 0., 1., 0., 1., 2., 3., 4.]], dtype=float32)
    """

    def __init__(self, space: Space) -> None:
        self._entries: dict[str, Space] | None = None
        self.space: Space = space
        if not isinstance(space, Dict):
            return
        self._entries = {key: entry for key, entry in space.items() if key not in _LEFT_OUT}
        bounds = [_flat_bounds(key, entry) for key, entry in self._entries.items()]
        is_double = all(entry.dtype == np.float64 for entry in self._entries.values())
        dtype: type[np.floating] = np.float64 if is_double else np.float32
        self.space = Box(
            np.concatenate([low for low, _ in bounds]).astype(dtype),
            np.concatenate([high for _, high in bounds]).astype(dtype),
            dtype=dtype,
        )

    def __call__(self, observations: Any) -> np.ndarray:
        """Flatten the observations of several copies."""
        if self._entries is None:
            return observations
        parts = []
        for key, entry in self._entries.items():
            value = observations[key]
            if isinstance(entry, Discrete):
                value = np.arange(entry.start, entry.start + entry.n) == value.reshape(-1, 1)
            parts.append(value.reshape(len(value), -1))
        return np.concatenate(parts, axis=1, dtype=self.space.dtype)


def _true_bounds(space: Any) -> Any:
    if isinstance(space, Dict):
        return Dict([(key, _true_bounds(entry)) for key, entry in space.items()])
    if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating):
        return space
    limits = np.finfo(space.dtype)
    unbounded = (space.low == limits.tiny) & (space.high == limits.max)
    if not unbounded.any():
        return space
    low, high = space.low.copy(), space.high.copy()
    low[unbounded], high[unbounded] = -np.inf, np.inf
    return Box(low, high, dtype=space.dtype)


def _flat_bounds(key: str, space: Space) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(space, Box):
        return space.low.ravel(), space.high.ravel()
    if isinstance(space, Discrete):
        return np.zeros(space.n), np.ones(space.n)
    raise SettingsError(f"cannot flatten the observation {key!r}, a {type(space).__name__}")
