"""Which contexts a stream has: all of them where they are few, else some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import lcm
from typing import NamedTuple

from ..wrappers.change import Change, Place, places
from ..wrappers.observe_context import TASK
from ..wrappers.values import After, Categorical, Clipped, Mixture, Recurring, ValueLaw, Values
from .stream import Stream

MOST_CONTEXTS = 32
"""A stream with more contexts than this counts as one with too many to look at each."""


class NamedContext(NamedTuple):
    """A context to look at on its own: a task.

    Attributes:
        name: the world's where worlds change, else the knobs' values or which segments it is of.
        context: each knob's value.
    """

    name: str
    context: dict[str, float]


def all_contexts(stream: Stream, seed: int) -> list[NamedContext]:
    """Return every context that a stream settles in, where they are finitely many and few.

    Values that come and go within transitions, and noise, are no contexts of their own. The same
    world under two numbers is one task.

    Args:
        stream: the stream.
        seed: the stream's seed, which draws the values of a recurring set.

    Returns:
        At most `MOST_CONTEXTS`, in the order of the values, or none where there are more.

    Example:
        >>> from everlearn.envs import make_stream
        >>> [one.name for one in all_contexts(make_stream("everlearn/CW3-v0"), seed=0)]
        ['HandlePressSide-v3', 'FaucetClose-v3', 'WindowClose-v3']
        >>> all_contexts(make_stream("everlearn/SlipperyAnt-v0"), seed=0)
        []
    """
    groups: dict[int, list[tuple[Change, Place]]] = {}
    for change, place in zip(stream.changes, places(stream.changes), strict=True):
        groups.setdefault(place.group, []).append((change, place))
    choices = [_joint_values(members, seed) for members in groups.values()]
    total = 1
    for choice in choices:
        total *= len(choice)
        if not 0 < total <= MOST_CONTEXTS:
            return []
    contexts = [{k: v for part in parts for k, v in part.items()} for parts in product(*choices)]
    return _unique(stream, contexts)


def contexts_of_segments(stream: Stream, segments: Iterable[int], seed: int) -> list[NamedContext]:
    """Return the contexts of some segments of a stream.

    Args:
        stream: the stream.
        segments: their numbers. Where knobs change apart from one another, each knob has the value
            of its own segment of that number.
        seed: the stream's seed.

    Returns:
        A context for each, named "segment 0" and so on; of changes in the episode or in each copy
        for itself, those of the first episode and the first copy.

    Example:
        >>> from everlearn.envs import make_stream
        >>> stream = make_stream("everlearn/LifelongCartPole-v0")
        >>> contexts_of_segments(stream, (0, 2), seed=0)[1]
        NamedContext(name='segment 2', context={'observation-offset': 2.0})
    """
    pairs = list(zip(stream.changes, places(stream.changes), strict=True))
    return [
        NamedContext(
            f"segment {number}",
            {change.knob: _value(change, place, number, seed) for change, place in pairs},
        )
        for number in segments
    ]


def _value(change: Change, place: Place, number: int, seed: int) -> float:
    return change.landmark_value(number, change.seeds(seed, place, copy=0, episode=0))


def _joint_values(members: Sequence[tuple[Change, Place]], seed: int) -> list[dict[str, float]]:
    """Return the values that knobs take together, or none where they are not finitely many."""
    laws = [change.law for change, _ in members]
    if all(isinstance(law, Values) for law in laws):
        # They go through their lists in step.
        turns = lcm(*(len(law.values) for law in laws if isinstance(law, Values)))
        return [
            {change.knob: _value(change, place, number, seed) for change, place in members}
            for number in range(min(turns, MOST_CONTEXTS + 1))
        ]
    supports = []
    for change, place in members:
        drawn_once = change.scope != "independent" and change.clock != "episode"
        draws = change.seeds(seed, place, copy=0, episode=0).values
        supports.append(_support(change.law, (*draws, 1) if drawn_once else None))
    if not all(supports):
        return []
    knobs = [change.knob for change, _ in members]
    return [dict(zip(knobs, values, strict=True)) for values in product(*supports)]


def _support(law: ValueLaw, seed: tuple[int, ...] | None) -> list[float]:
    """Return the values that a law can take, each once; none where they are not finitely many."""
    match law:
        case Values() | Categorical():
            values = [float(value) for value in law.values]
        case Recurring() if seed is not None:
            values = [law.law.value(number, (*seed, 1)) for number in range(law.size)]
        case Mixture():
            parts = [_support(one, None) for one in law.laws]
            values = [value for part in parts for value in part] if all(parts) else []
        case After():
            rest = _support(law.law, seed)
            values = [float(law.first), *rest] if rest else []
        case Clipped():
            values = [min(max(one, law.low), law.high) for one in _support(law.law, seed)]
        case _:
            values = []
    return list(dict.fromkeys(values))


def _unique(stream: Stream, contexts: Sequence[dict[str, float]]) -> list[NamedContext]:
    """Name contexts, and keep the first of each name."""
    worlds = [world.split("/")[-1] for world in stream.worlds]
    if len(set(worlds)) < len(set(stream.worlds)):
        worlds = list(stream.worlds)
    found: dict[str, dict[str, float]] = {}
    for context in contexts:
        words = [worlds[int(context[TASK])]] if TASK in context else []
        words += [f"{knob}={value:.6g}" for knob, value in context.items() if knob != TASK]
        found.setdefault(", ".join(words) or worlds[0], context)
    return [NamedContext(name, context) for name, context in found.items()]
