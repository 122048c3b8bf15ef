"""WSRL's warm start: fill an empty buffer with the frozen policy before learning goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from ...wrappers.errors import SettingsError
from ..layers import Part
from ..method import Method
from .around import AroundReplayBuffer
from .buffers import LeanReplayBuffer
from .replay import Replay
from .tables import TableReplayBuffer


@final
@dataclass(eq=False, repr=False)
class WarmStart(Method):
    """Warm-start reinforcement learning (Zhou et al. 2025): start again without the old data.

    Zhou et al., "Efficient online reinforcement learning fine-tuning need not retain offline
    data", ICLR 2025, and its code (zhouzypaul/wsrl). What was learned elsewhere, the weights with
    the optimizers' memory and the temperature, is kept; its data are dropped. For `steps`
    environment steps the policy acts as it is, its actions drawn and not greedy, and nothing
    learns. Then all learns from the new data alone, `ratio` gradient steps for each transition.

    The paper's occasion is the beginning of a run that `--start-from` an earlier one. Here
    (ours) each told change is one as well: what had come to the buffer until the end of the
    rollout in which the change was told is left out of all later samples.

    The rest of WSRL is settings of SAC, which `--preset wsrl` has: 10 critics with layer norm, of
    which two drawn at random give the target, no entropy in the backup, one step of the actor for
    four of the critics. At the beginning of a run `learning_starts` is to be 0, as its random
    actions come before the policy's.

    Example:
        >>> WarmStart(steps=1000, at_start=False).ratio
        4.0
    """

    name: ClassVar[str] = "warm-start"

    steps: int = 5000
    """Environment steps without learning, over all copies (published code: 5,000)."""

    ratio: float | None = 4.0
    """Gradient steps for each transition after a warm start; none for the agent's own (4)."""

    at_start: bool = True
    """Whether the beginning of the agent's life is an occasion (paper)."""

    at_change: bool = True
    """Whether a change that the learner is told of is an occasion (ours)."""

    buffer: Literal["drop", "keep"] = "drop"
    """What becomes of earlier transitions at a change (paper: the data are dropped)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("steps", self.steps >= 0, "0 or more")
        self.require("ratio", self.ratio is None or self.ratio >= 0, "none, or 0 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin."""
        self._begun = 0 if self.at_start else -1
        self._told = False
        self._times = int(self.at_start)

    def on_change(self, info: Mapping[str, Any]) -> None:
        """Note that the world has changed, if that is an occasion."""
        self._told = self._told or self.at_change

    def before_updates(self, replay: Replay) -> None:
        """Begin a warm start if it is time, and set the ratio.

        Raises:
            SettingsError: changes are occasions to drop what is kept for good.
        """
        if (
            self.at_change
            and self.buffer == "drop"
            and isinstance(replay.buffer, TableReplayBuffer)
        ):
            kind = type(replay.buffer).__name__
            raise SettingsError(
                f"{self.name} can't drop what a {kind} keeps: set buffer=keep or at_change=no"
            )
        if self._told:
            self._told, self._begun = False, replay.steps
            self._times += 1
            if self.buffer == "drop":
                _drop(replay.buffer)
        if self._begun < 0:
            return
        warming = self.steps > 0 and replay.steps - self._begun <= self.steps
        if warming or replay.buffer.size() == 0:
            replay.ratio = 0.0
        elif self.ratio is not None:
            replay.ratio = self.ratio

    def after_iteration(self) -> dict[str, float]:
        """Return how many warm starts there were."""
        return {"replay/warm_starts": float(self._times)}

    def get_extra_state(self) -> Tensor:
        """Return when the last warm start began."""
        return torch.tensor([self._begun, int(self._told), self._times])

    def set_extra_state(self, state: Tensor) -> None:
        """Bring it back."""
        self._begun, told, self._times = state.tolist()
        self._told = bool(told)


def _drop(buffer: ReplayBuffer) -> None:
    if isinstance(buffer, LeanReplayBuffer | AroundReplayBuffer):
        # Checkpoints count its steps over its whole life.
        buffer.forget()
    else:
        buffer.reset()
