"""Which values a knob takes, and the sentence for a value that it does not take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..wrappers.errors import SettingsError


@dataclass(frozen=True)
class Range:
    """The values that make sense for a quantity; never NaN or infinity.

    Args:
        least: the least value.
        most: the greatest value, if there is a least one.
        above: whether `least` itself is left out.
        nonzero: whether 0 is left out.
        whole: whether values must be whole numbers.

    Example:
        >>> Range(0, above=True).check("friction", 0.0)
        Traceback (most recent call last):
        everlearn.wrappers.errors.SettingsError: friction must be above 0, not 0.0
    """

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    nonzero: bool = False
    whole: bool = False

    def check(self, knob: str, value: float) -> None:
        """Refuse a value outside the range.

        Args:
            knob: the name of what the value is for.
            value: the value.

        Raises:
            SettingsError: if the value is outside.
        """
        inside = math.isfinite(value) and self.least <= value <= self.most
        inside = inside and not (self.above and value == self.least)
        inside = inside and not (self.nonzero and value == 0)
        if not inside or (self.whole and value != int(value)):
            raise SettingsError(f"{knob} must be {self}, not {value!r}")

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number other than 0" if self.nonzero else ""
        if self.above and math.isfinite(self.most):
            bounds = f"above {self.least:g} and at most {self.most:g}"
        elif math.isfinite(self.most):
            bounds = f"from {self.least:g} to {self.most:g}"
        elif math.isfinite(self.least):
            bounds = f"{'above' if self.above else 'at least'} {self.least:g}"
        else:
            bounds = ""
        return f"{kind} {bounds}".strip() or "a finite number"


ABOVE_0 = Range(0, above=True)
"""Strictly positive numbers."""
AT_LEAST_0 = Range(0)
"""Positive numbers and 0."""
NOT_0 = Range(nonzero=True)
"""Numbers of either sign."""
