"""A replay buffer that mixes an agent's own experience with that of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from ...wrappers.errors import SettingsError
from .around import AroundReplayBuffer
from .shares import Share, check_share, random_counts, share_at, whole_counts
from .transitions import Transitions

Source = str | Path | Sequence[str | Path] | Transitions
"""Run folders and collected sets, or transitions."""

_OWN = "the agent's own"


@final
class MixedReplayBuffer(AroundReplayBuffer):
    """A replay buffer each of whose batches has fixed parts from other sources.

    Replay across Experiments (Tirumala et al., 2023): half of each batch comes from all earlier
    experiments, which never leave, and half from the agent's own steps; the agent begins fresh and
    its algorithm is as ever. RLPD (Ball et al., 2023) samples so too. A source's part of a batch is
    its share rounded down; the rest are the agent's own. Sources are never changed. Runs stay in
    the files of their checkpoints, of which batches alone are read; collected sets are copied, to
    memory or to `memmap_folder`.

    Args:
        *args: as for `AroundReplayBuffer`.
        sources: by name: run folders of earlier runs, folders of collected sets, several of them
            (which are joined), or `Transitions`.
        shares: each source's part of a batch: a number from 0 to 1, or pairs of a step and a
            number, linear in between; 0.5 for a single source, by default. "even" for a single
            source means that all transitions, its and the own, are drawn alike.
        **kwargs: as for `AroundReplayBuffer`.

    Raises:
        SettingsError: a source that cannot be read or does not fit the spaces, or shares that are
            none or sum up to more than 1.

    Example:
        >>> from gymnasium import spaces
        >>> space = spaces.Box(-1, 1, (3,))
        >>> zeros, ones = np.zeros((5, 3), np.float32), np.ones(5, np.float32)
        >>> earlier = Transitions(zeros, zeros, ones, zeros, ones > 2, ones > 2)
        >>> buffer = MixedReplayBuffer(100, space, space, sources={"earlier": earlier})
        >>> rows = np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3))
        >>> buffer.add(*rows, np.zeros(1), np.zeros(1), [{}])
        >>> buffer.sample(256).rewards.sum().item()
        128.0
    """

    def __init__(
        self,
        *args: Any,
        sources: Mapping[str, Source],
        shares: Mapping[str, Share | Literal["even"]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.even = shares is not None and list(shares.values()) == ["even"]
        """Whether the transitions of a single source are drawn like the own ones."""
        given: Any = dict.fromkeys(sources, 1.0) if self.even else shares
        self.shares = _shares(sources, given)
        read = {name: self._read(source) for name, source in sources.items()}
        self._digests = {name: transitions.digest for name, transitions in read.items()}
        self.sources = {name: r.over(self.n_steps, self.gamma) for name, r in read.items()}
        """What the others lived, by name."""

    def counts(self, batch_size: int) -> dict[str, int]:
        """Return how many rows of a batch come from each source now.

        Where all transitions are alike, what rounding leaves is drawn.

        Args:
            batch_size: rows in all; the own ones are what is left.
        """
        if self.even:
            ((name, source),) = self.sources.items()
            own = self.own.size() * self.n_envs
            share = len(source) / (len(source) + own)
            return {name: random_counts({name: share, _OWN: 1 - share}, batch_size)[name]}
        step = self.own.n_added * self.n_envs
        shares = {name: share_at(share, step) for name, share in self.shares.items()}
        return whole_counts(shares, batch_size)

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw a batch, with replacement: first the own rows, then those of each source.

        Args:
            batch_size: how many transitions.
            env: worlds that scale observations and rewards, if they do.
        """
        counts = self.counts(batch_size)
        n_own = batch_size - sum(counts.values())
        parts = [self.own.sample(n_own, env)] if n_own else []
        parts += [self._draw(self.sources[name], n, env) for name, n in counts.items() if n]
        columns = zip(*parts, strict=True)
        joined = [None if column[0] is None else torch.cat(column) for column in columns]
        return ReplayBufferSamples(*joined)  # type: ignore[arg-type]

    def get_state(self) -> dict[str, Any]:
        """Return all that is not in rows, see `Growing`: of the sources, by what they are known."""
        return {**super().get_state(), "sources": dict(self._digests)}

    def set_state(self, state: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
        """Put the buffer into a state, see `Growing`; sources must be those that they were."""
        for name, digest in self._digests.items():
            if state["sources"].get(name) != digest:
                raise ValueError(f"the source {name!r} of replay is not what it was")
        super().set_state(state, rows)

    def _draw(
        self, source: Transitions, count: int, env: VecNormalize | None
    ) -> ReplayBufferSamples:
        rows = np.random.randint(0, len(source), size=count)
        terminals = source.terminals[rows].astype(np.float32)
        data = [
            self._normalize_obs(source.observations[rows], env),
            source.actions[rows],
            self._normalize_obs(source.next_observations[rows], env),
            terminals.reshape(-1, 1),
            self._normalize_reward(source.rewards[rows].reshape(-1, 1), env),
        ]
        if self.n_steps > 1 and source.discounts is not None:
            data.append(source.discounts[rows].reshape(-1, 1))
        return ReplayBufferSamples(*(self.to_torch(array, copy=False) for array in data))  # type: ignore[arg-type]

    def _read(self, source: Source) -> Transitions:
        # Only here: reading runs needs checkpoints, which know this buffer.
        from .sources import read_sources

        found = source
        if not isinstance(found, Transitions):
            both = self.observation_space, self.action_space
            found = read_sources(found, *both, self.memmap_folder)
        if found.observations.shape[1:] != self.obs_shape:
            raise SettingsError(
                f"a source has observations of shape {found.observations.shape[1:]}, "
                f"not {self.obs_shape}"
            )
        if not len(found):
            raise SettingsError("a source of replay needs at least one transition")
        return found


def _shares(sources: Mapping[str, Source], shares: Mapping[str, Share] | None) -> dict[str, Share]:
    if not sources:
        raise SettingsError("a mixed replay buffer needs at least one source")
    if shares is None:
        shares = dict.fromkeys(sources, 0.5 / len(sources))
    if shares.keys() != sources.keys():
        raise SettingsError(
            f"each source needs a share: {sorted(sources)} are sources, {sorted(shares)} have one"
        )
    for name, share in shares.items():
        check_share(name, share)
    steps = {0} | {
        int(step)
        for share in shares.values()
        if not isinstance(share, (int, float))
        for step, _ in share
    }
    for step in steps:
        total = sum(share_at(share, step) for share in shares.values())
        if total > 1 + 1e-9:
            raise SettingsError(
                f"shares must sum up to no more than 1, not {total:g} at step {step}"
            )
    return dict(shares)
