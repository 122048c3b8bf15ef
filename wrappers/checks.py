"""Checks that settings share, each with one sentence for the user."""

from __future__ import annotations

import math

from .errors import SettingsError


def require_whole(name: str, value: object, least: int) -> None:
    """Refuse anything but a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"{name} must be a whole number of at least {least}, not {value!r}")


def require_finite(name: str, value: object) -> None:
    """Refuse anything but a finite number."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value):  # type: ignore[arg-type]
        raise SettingsError(f"{name} must be a finite number, not {value!r}")


def require_above(name: str, value: object, bound: float) -> None:
    """Refuse anything but a finite number above `bound`."""
    require_finite(name, value)
    if not value > bound:  # type: ignore[operator]
        raise SettingsError(f"{name} must be above {bound:g}, not {value!r}")


def require_at_least(name: str, value: object, bound: float) -> None:
    """Refuse anything but a finite number of at least `bound`."""
    require_finite(name, value)
    if not value >= bound:  # type: ignore[operator]
        raise SettingsError(f"{name} must be at least {bound:g}, not {value!r}")


def require_interval(low: object, high: object) -> None:
    """Refuse anything but two finite numbers that rise."""
    require_finite("low", low)
    require_finite("high", high)
    if not low < high:  # type: ignore[operator]
        raise SettingsError(f"high must be above low, but {high!r} is not above {low!r}")


def require_weights(weights: object, count: int) -> None:
    """Refuse anything but `count` weights that are not negative and not all zero."""
    if not isinstance(weights, tuple) or len(weights) != count:
        raise SettingsError(f"weights must be {count} numbers, not {weights!r}")
    for weight in weights:
        require_at_least("each of weights", weight, 0.0)
    if not sum(weights) > 0:
        raise SettingsError("weights must not all be zero")
