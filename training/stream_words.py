"""Streams in words: their worlds, their changes, and what the agent sees."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from ..wrappers.schedules import Periodic
from ..wrappers.transitions import Step

if TYPE_CHECKING:
    from ..envs import Stream
    from ..wrappers.change import Change

_FEW = 2
_CLOCKS = {
    "global": "environment steps",
    "copy": "steps of each copy",
    "episode": "steps of the episode",
    "episodes": "episodes",
}
_LABELS = {"none": "", "training": "; told of changes in training", "always": "; told of changes"}


def in_words(thing: Any) -> str:
    """Say what a law or a schedule is: its kind, and its settings in brackets.

    Args:
        thing: a dataclass, which may hold others, or a plain value.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import LogUniform
        >>> in_words(LogUniform(0.02, 2.0)), in_words(Periodic(2_000_000))
        ('log-uniform (low 0.02, high 2)', 'periodic (2,000,000)')
    """
    if is_dataclass(thing) and not isinstance(thing, type):
        settings = {field.name: getattr(thing, field.name) for field in fields(thing)}
        told = {name: value for name, value in settings.items() if value != ()}
        single = len(told) == 1
        words = [
            in_words(value) if single else f"{name.replace('_', ' ')} {in_words(value)}"
            for name, value in told.items()
        ]
        kind = _hyphenated(type(thing).__name__)
        return f"{kind} ({', '.join(words)})" if words else kind
    if isinstance(thing, tuple):
        return ", ".join(in_words(item) for item in thing)
    if isinstance(thing, bool) or not isinstance(thing, (int, float)):
        return str(thing)
    return f"{thing:,}" if isinstance(thing, int) else f"{thing:.4g}"


def first_line(builder: Callable[..., Any]) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(builder) or "").partition("\n")[0]


def description(builder: Callable[..., Any]) -> str:
    """Return a docstring without its sections."""
    return (inspect.getdoc(builder) or "").partition("\nArgs:")[0].strip()


def worlds_in_words(stream: Stream) -> str:
    """Name a stream's worlds, or count them where they are many."""
    if len(stream.worlds) > _FEW:
        return f"{len(stream.worlds)} worlds"
    return ", ".join(stream.worlds)


def schedule_in_words(change: Change) -> str:
    """Say when a change lands, and on which clock."""
    return f"{in_words(change.schedule)} in {_CLOCKS[change.clock]}"


def changes_in_words(stream: Stream) -> str:
    """Say in short which knobs change and how often."""
    groups: dict[str, list[str]] = {}
    for change in stream.changes:
        groups.setdefault(_rhythm(change), []).append(change.knob)
    return "; ".join(f"{', '.join(knobs)} {when}" for when, knobs in groups.items())


def _rhythm(change: Change) -> str:
    counts, length = _CLOCKS[change.clock], change.schedule.mean_length
    if length is None:
        return f"{in_words(change.schedule)} in {counts}"
    exactly = "every" if isinstance(change.schedule, Periodic) else "about every"
    if length == 1:
        return f"{exactly} {counts.replace('steps', 'step').removesuffix('s')}"
    return f"{exactly} {length:,.0f} {counts}"


def law_in_words(change: Change) -> str:
    """Say what a change makes of its knob, with all that is not at its default."""
    parts = [in_words(change.law)]
    if change.transition != Step():
        parts.append(f"by a {in_words(change.transition)}")
    if change.noise:
        parts.append(f"noise {change.noise:g}")
    if change.scope != "shared":
        parts.append(f"{change.scope} copies")
    if change.landing != "strongest":
        parts.append(f"landing {change.landing}")
    return ", ".join(parts)


def observed_in_words(stream: Stream) -> str:
    """Say what the agent sees of the context, and what it is told."""
    return stream.observed + _LABELS[stream.boundary_labels]


def short_names(worlds: tuple[str, ...]) -> tuple[str, ...]:
    """Shorten worlds' ids to what tells them apart.

    Example:
        >>> short_names(("MetaWorld/Hammer-v3", "Ant-v5"))
        ('Hammer', 'Ant')
    """
    return tuple(world.rpartition("/")[2].rpartition("-v")[0] or world for world in worlds)


def context_in_words(context: Mapping[str, float], names: Mapping[str, tuple[str, ...]]) -> list:
    """Write each value of a context, by name where values stand for something.

    Args:
        context: the values.
        names: by knob, what its values stand for, by index.

    Example:
        >>> context_in_words({"task": 1.0, "wind-x": 0.5}, {"task": ("walk", "run")})
        ['run', '0.5']
    """
    return [
        names[knob][int(value)] if knob in names else f"{value:.4g}"
        for knob, value in context.items()
    ]


def _hyphenated(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
