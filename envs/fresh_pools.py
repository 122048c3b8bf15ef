"""Pools that serve for one episode each, for worlds that a second reset would spoil."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from .vector_arguments import derive_seed


@final
class FreshPools:
    """Several one-copy pools that behave as one, each built anew for each of its episodes.

    Args:
        build: makes a pool of one copy from its seed.
        num_envs: number of copies.
        seed: decides, with the copy and the number of its episode, each pool's seed.
    """

    def __init__(self, build: Callable[[int], Any], num_envs: int, seed: int) -> None:
        self._build = build
        self._seeds = [derive_seed(seed, copy) for copy in range(num_envs)]
        self._episodes = [0] * num_envs
        self._pools: list[Any] = [None] * num_envs

    def reset(self, copies: np.ndarray | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in some copies, or in all; return what envpool returns."""
        chosen = range(len(self._pools)) if copies is None else copies.tolist()
        results = []
        for copy in chosen:
            if self._pools[copy] is not None:
                self._pools[copy].close()
            self._pools[copy] = self._build(derive_seed(self._seeds[copy], self._episodes[copy]))
            self._episodes[copy] += 1
            results.append(self._pools[copy].reset())
        observations, infos = zip(*results, strict=True)
        return np.concatenate(observations), _join(infos)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every copy; return what envpool returns."""
        for pool, action in zip(self._pools, actions, strict=True):
            pool.send(action[None])
        results = [pool.recv() for pool in self._pools]
        observations, rewards, terminated, truncated, infos = zip(*results, strict=True)
        return (
            np.concatenate(observations),
            np.concatenate(rewards),
            np.concatenate(terminated),
            np.concatenate(truncated),
            _join(infos),
        )

    def close(self) -> None:
        """Stop the pools' threads."""
        for pool in self._pools:
            if pool is not None:
                pool.close()
        self._pools = [None] * len(self._pools)


def _join(infos: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Join the infos of one copy each, but for envpool's book-keeping."""
    keys = [key for key, value in infos[0].items() if isinstance(value, np.ndarray)]
    return {key: np.concatenate([info[key] for info in infos]) for key in keys}
