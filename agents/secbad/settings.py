"""What may be told of context inference."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, final

from torch import Tensor

from ...wrappers.errors import SettingsError, unknown
from ..belief import enough_ages, geometric_hazard, normal_hazard

KINDS = ("secbad", "window", "varibad", "history", "memoryless", "oracle")
"""What an agent may go by."""

LEARNED = ("secbad", "window", "varibad")
"""Those that learn an encoder."""


@final
@dataclass(frozen=True)
class ContextInference:
    """What an agent knows of the hidden context of its world, and how it is learned.

    Defaults are those of the released SeCBAD (Chen et al., NeurIPS 2022; github.com/DDDOH/SeCBAD,
    AntDir and grid configurations) where a line says so.

    Raises:
        SettingsError: a value out of range.

    Example:
        >>> ContextInference(kind="secbad", segment_mean=20, segment_deviation=5).ages
        30
    """

    kind: Literal["secbad", "window", "varibad", "history", "memoryless", "oracle"] = "secbad"
    """secbad: belief over segment age and context; window: an encoder of the last `window` steps;
    varibad: of the whole history (Zintgraf et al. 2020); history: the last `frames` steps as they
    are; memoryless: nothing; oracle: the true context."""

    belief: Literal["mixture", "most-likely"] = "mixture"
    """What secbad tells the policy: mean and variance over all ages (paper), or at the most likely
    age (released code)."""

    labels: bool = True
    """Whether secbad learns from segments whose boundaries the stream tells (released code), or
    from stretches of `window` steps that may hold a change."""

    segment_law: Literal["normal", "geometric"] = "normal"
    """What secbad takes segments' lengths for: max(int(N(mean, deviation)), minimum), or
    memoryless."""

    segment_mean: float = 60.0
    """Mean of that law, in steps of one copy (released code: 60)."""

    segment_deviation: float = 20.0
    """Deviation of the normal law, in steps (released code: 20)."""

    segment_minimum: int = 10
    """Least length of the normal law, in steps (released code: 10)."""

    n_ages: int | None = None
    """Ages that are told apart; by default the law's mean + 2 deviations. The code keeps all."""

    window: int = 20
    """Steps that the window holds, and of a stretch that secbad learns from without labels."""

    horizon: int = 200
    """Steps of a stretch that varibad learns from (released code: 200 or 500)."""

    frames: int = 3
    """Past steps that history tells, each with its observation, action, change and reward."""

    at_episode_end: Literal["carry", "reset"] = "carry"
    """Whether belief goes on over the ends of episodes, as our streams' clocks do, or begins anew,
    as in the released code, whose contexts belong to an episode."""

    predict: Literal["both", "state", "reward"] = "both"
    """What a context is to explain (paper: both; most released configurations: reward)."""

    noise: Literal["learned", "unit"] = "learned"
    """Deviation of predictions by which secbad judges ages, in deviations of what is predicted:
    that of late errors (after Rybkin et al. 2021), or 1 (released code)."""

    latent_size: int = 5
    """Numbers in a latent context (released code: 5)."""

    hidden_size: int = 64
    """Units of the recurrent encoder (released code: 64, for MuJoCo 128)."""

    decoder_size: int = 64
    """Hidden units of the decoder (released code: layers of 64 and 32)."""

    n_samples: int = 8
    """Latent contexts over which a likelihood is averaged (released code: 1)."""

    learning_rate: float = 1e-3
    """Adam's step size (released code)."""

    anneal_updates: int | None = None
    """After how many updates the step size is half, after twice as many a third, and so on; by
    default never (released code). A latent that stands still is easier to act on."""

    kl_weight: float = 0.1
    """Weight of the Kullback-Leibler terms (released code: 0.1, for the grid 0.01)."""

    train_every: int = 1024
    """Steps over all copies from one training of the encoder to the next (ours)."""

    updates: int = 10
    """Gradient steps of each training (released code: 1 to 5, every 3,200 steps or more)."""

    batch_size: int = 16
    """Segments or stretches in a gradient step (released code: 10, for the grid 25)."""

    n_times: int = 8
    """Moments of each whose posterior is to explain the rest (released code: 50)."""

    n_targets: int = 16
    """Steps that each posterior is to explain (released code: 50)."""

    memory_steps: int = 50_000
    """Steps over all copies that are kept to learn from (released code: 10,000 trajectories)."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("kind of context inference", self.kind, KINDS)
        for name in _COUNTS:
            self._require(name, getattr(self, name) >= 1, "1 or more")
        for name in ("segment_mean", "segment_deviation", "learning_rate"):
            self._require(name, 0 < getattr(self, name) < math.inf, "more than 0 and finite")
        self._require("kl_weight", 0 <= self.kl_weight < math.inf, "0 or more and finite")
        if self.anneal_updates is not None:
            self._require("anneal_updates", self.anneal_updates >= 1, "1 or more")
        if self.n_ages is not None:
            # Below the mean length a truncated filter breaks.
            self._require("n_ages", self.n_ages >= self.segment_mean, "at least segment_mean")

    @property
    def ages(self) -> int:
        """Hidden states that are kept: one for each possible start of the segment."""
        if self.kind == "varibad":
            return 1
        if self.kind == "window":
            return self.window
        if self.n_ages is not None:
            return self.n_ages
        deviation = self.segment_deviation if self.segment_law == "normal" else self.segment_mean
        return enough_ages(self.segment_mean, deviation)

    @property
    def hazard(self) -> Tensor:
        """How likely a segment ends at each age: never, for those that do not ask."""
        if self.kind != "secbad":
            return geometric_hazard(math.inf, self.ages)
        if self.segment_law == "geometric":
            return geometric_hazard(max(self.segment_mean, 1.0), self.ages)
        return normal_hazard(
            self.segment_mean, self.segment_deviation, self.segment_minimum, self.ages
        )

    @property
    def uses_labels(self) -> bool:
        """Whether it learns from boundaries that the stream tells."""
        return self.kind == "secbad" and self.labels

    @property
    def learns(self) -> bool:
        """Whether there is an encoder to be learned."""
        return self.kind in LEARNED

    @property
    def stretch(self) -> int:
        """Most steps of what is learned from at a time."""
        if self.kind == "varibad":
            return self.horizon
        return self.ages if self.uses_labels else self.window

    def _require(self, name: str, fits: bool, allowed: str) -> None:
        if not fits:
            raise SettingsError(
                f"context inference setting {name!r} must be {allowed}, not {getattr(self, name)}"
            )


_COUNTS = tuple(one.name for one in fields(ContextInference) if one.type == "int")
