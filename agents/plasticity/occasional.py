"""Methods that act on whole networks now and then, and when that is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from ..backends import notify
from ..diagnostics.ranks import effective_rank, singular_values
from ..diagnostics.units import dormant_fraction
from ..layers import Part, compute_features
from ..method import Method

Diagnostic = Literal["none", "dormant_fraction", "effective_rank"]
"""What can call for a method: of the worst network, on its last training batch."""


@dataclass(eq=False, repr=False)
class Occasional(Method):
    """Acts on all networks at once, at each of its occasions: abstract base.

    There are five kinds of occasions, and any of them may be combined. By updates, it acts right
    after the actor's step of the update that is due, or after the next one where the actor makes
    fewer steps than the critics. By environment steps, counted or listed, it acts at the end of
    the iteration in which they are reached, once even if more than one is. At a told change it
    acts at once. By a diagnostic, which is looked at after each iteration that had updates, it acts
    when the value crosses the threshold, and again only after it was on the good side in between.
    What needs a training batch or a gradient waits for the actor's next step in each case.
    """

    acts_rarely: ClassVar[bool] = True

    waits_for_step: ClassVar[bool] = False
    """Whether `act` asks for the last batch or its gradient, and so follows a gradient step."""

    every_updates: int | None = None
    """Gradient steps from one occasion to the next, or none."""

    every_steps: int | None = None
    """Environment steps over all copies from one occasion to the next, or none."""

    at_change: bool = False
    """Whether a change that the learner is told of is an occasion."""

    diagnostic: Diagnostic = "none"
    """What makes an occasion when it crosses `threshold`: a rising share of dormant hidden units,
    or a falling effective rank of the last hidden layer as a share of its width."""

    threshold: float = 0.5
    """Where the diagnostic is too bad, from 0 to 1."""

    at_steps: tuple[int, ...] = ()
    """Environment steps over all copies that are occasions, each once (BRO begins with resets
    at 15,000 and 50,000)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for name in ("every_updates", "every_steps"):
            value = getattr(self, name)
            self.require(name, value is None or value > 0, "none, or 1 or more")
        self.require("threshold", 0 <= self.threshold <= 1, "from 0 to 1")
        self.require("at_steps", min(self.at_steps, default=1) > 0, "1 or more each")

    @property
    def has_occasions(self) -> bool:
        """Whether there can ever be an occasion."""
        counted = self.every_updates is not None or self.every_steps is not None
        return counted or bool(self.at_steps) or self.at_change or self.diagnostic != "none"

    @abstractmethod
    def act(self) -> None:
        """Do at an occasion what the method does; gradients are off."""

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin to count, and say so where no occasion will ever come."""
        if not self.has_occasions:
            notify(
                f"{self.name} never acts: give it an occasion by every_updates, every_steps, "
                "at_steps, at_change or diagnostic"
            )
        self.generator = torch.Generator().manual_seed(seed)
        self.parts = tuple(parts)
        self.count = Count()
        self.saved_count = _Saved(self.count)

    def after_step(self, part: Part) -> None:
        """Act if it is time."""
        count = self.count
        if part is not self.parts[0]:
            # All critics make the same steps.
            if part is self.parts[-1]:
                count.critic_steps += 1
            return
        count.actor_steps += 1
        every = self.every_updates
        if every is not None and count.updates >= (count.periods + 1) * every:
            count.periods = count.updates // every
            count.waiting = 1
        if count.waiting:
            self._act()

    def after_iteration(self) -> dict[str, float]:
        """Act if it is time.

        Returns:
            How often the method has acted so far.
        """
        # Both are always asked: each remembers what it has seen.
        due = [self._is_step_due(), self._has_crossed()]
        if any(due):
            self._act_soon()
        tag = self.name.replace("-", "_")
        return {f"plasticity/{tag}": float(self.count.times)}

    def on_change(self, info: Mapping[str, Any]) -> None:
        """Act, if changes are occasions."""
        if self.at_change:
            self._act_soon()

    def draw_seed(self) -> int:
        """Return a seed that differs from occasion to occasion, for `Part.fresh`."""
        return int(torch.randint(2**62, (), generator=self.generator))

    def _is_step_due(self) -> bool:
        if self.every_steps is None and not self.at_steps:
            return False
        count, now = self.count, self.env_steps
        # Where steps are counted from 0 again, so are their periods.
        before = count.env_steps if count.env_steps <= now else 0
        count.env_steps = now
        if any(before < step <= now for step in self.at_steps):
            return True
        every = self.every_steps
        return every is not None and now // every > before // every

    def _has_crossed(self) -> bool:
        count = self.count
        if self.diagnostic == "none" or count.updates == count.looked_at:
            return False
        count.looked_at = count.updates
        was_bad, count.is_bad = count.is_bad, self._is_bad()
        return bool(count.is_bad and not was_bad)

    def _is_bad(self) -> bool:
        for part in self.parts:
            features = compute_features(part.hidden, part.recall())
            widths = [layer.width for layer in part.hidden]
            if self.diagnostic == "dormant_fraction":
                pairs = zip(features, widths, strict=True)
                dormant = sum(dormant_fraction(units) * width for units, width in pairs)
                if dormant > self.threshold * sum(widths):
                    return True
            elif (
                features
                and effective_rank(singular_values(features[-1])) < self.threshold * widths[-1]
            ):
                return True
        return False

    def _act_soon(self) -> None:
        if self.waits_for_step:
            self.count.waiting = 1
        else:
            self._act()

    @torch.no_grad()
    def _act(self) -> None:
        self.count.waiting = 0
        self.act()
        self.count.times += 1


@final
@dataclass(slots=True)
class Count:
    """What an occasional method has counted: plain numbers, cheap to look at after each step."""

    times: int = 0
    """How often the method has acted."""
    actor_steps: int = 0
    critic_steps: int = 0
    periods: int = 0
    """Periods of updates that have ended."""
    env_steps: int = 0
    """Environment steps when last asked."""
    looked_at: int = 0
    """Updates when the diagnostic was last looked at."""
    is_bad: int = 0
    """Whether the diagnostic was on the bad side then."""
    waiting: int = 0
    """Whether an occasion waits for the actor's next step."""

    @property
    def updates(self) -> int:
        """Gradient steps of the network that has made the most."""
        return max(self.actor_steps, self.critic_steps)


@final
class _Saved(nn.Module):
    """Saves a count, and brings it back, with the method."""

    def __init__(self, count: Count) -> None:
        super().__init__()
        self._count = count

    def get_extra_state(self) -> Tensor:
        return torch.tensor([int(value) for value in astuple(self._count)])

    def set_extra_state(self, state: Tensor) -> None:
        for field, value in zip(fields(self._count), state.tolist(), strict=True):
            setattr(self._count, field.name, value)
