"""What a stream's changes come to, each on the clock that it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ..envs.stream import Stream, TableRow
from ..wrappers.change import Change, places

MOST_POINTS = 50_000
"""Where a knob takes more values than this, a picture shows samples."""

SAMPLES = 2_000
"""How many samples it shows then."""

_SEGMENTS = 10
_MOST_LISTED = 50
_LEAST = 300

ENVIRONMENT_STEPS = "environment steps"
_COUNTS = {
    "global": ENVIRONMENT_STEPS,
    "copy": ENVIRONMENT_STEPS,
    "episode": "steps of the first episode",
    "episodes": "episodes",
}


@dataclass(frozen=True)
class Timeline:
    """Changes that count the same thing, in the first copy of the world.

    Args:
        stream: the stream.
        changes: those of its changes that are looked at.
        counts: what they count, in words.
        end: where the timeline ends.
        seed: the stream's seed.
        n_envs: copies of the world: a change lands at a multiple of this.
    """

    stream: Stream
    changes: tuple[Change, ...]
    counts: str
    end: int
    seed: int
    n_envs: int

    def contexts(self) -> Iterator[TableRow]:
        """Yield every context, also those within a transition and those of noise."""
        return self._walk(by_segment=False)

    def segments(self) -> Iterator[TableRow]:
        """Yield the context with which each segment begins."""
        return self._walk(by_segment=True)

    def only(self, change: Change) -> Timeline:
        """Return the timeline of one change alone, with segments of its own."""
        return replace(self, changes=(change,))

    def points(self, change: Change) -> list[TableRow]:
        """Return what to draw of one change: its contexts, or samples where they are many.

        Segments are those of the change alone, and samples hold the beginnings of the first.
        """
        own = self.only(change)
        rows = list(islice(own.contexts(), MOST_POINTS + 1))
        if len(rows) <= MOST_POINTS:
            return rows
        times = set(range(0, self.end, max(1, self.end // SAMPLES)))
        times.update(row.step for row in islice(own.segments(), SAMPLES))
        return [own._at(time)[0] for time in sorted(times)]

    def _walk(self, by_segment: bool) -> Iterator[TableRow]:
        tick = self.n_envs if self.counts == ENVIRONMENT_STEPS else 1
        time: int | None = 0
        while time is not None and time < self.end:
            row, stops = self._at(time, by_segment)
            yield row
            following = min(stops, default=None)
            time = None if following is None else -(-following // tick) * tick

    def _at(self, time: int, by_segment: bool = False) -> tuple[TableRow, list[int]]:
        """Compute the context at one time, and when each change moves next."""
        context, segments, stops = {}, {}, []
        everyone = places(self.stream.changes)
        for change in self.changes:
            place = everyone[self.stream.changes.index(change)]
            seeds = change.seeds(self.seed, place, copy=0, episode=0)
            unit = self.n_envs if change.clock == "copy" else 1
            state = change.state(time // unit, seeds)
            context[change.knob] = state.value
            segments[place.group] = state.number
            stop = state.stop
            if by_segment:
                stop = change.schedule.segment(time // unit, seeds.moments).stop
            if stop is not None:
                stops.append(stop * unit)
        return TableRow(time, sum(segments.values()), context), stops


def timelines(
    stream: Stream, n_steps: int | None = None, seed: int = 0, n_envs: int = 1
) -> list[Timeline]:
    """Sort a stream's changes by what they count.

    `Stream.table` lists all on the clock of environment steps, where what waits for episodes to end
    cannot be known. Here such changes are listed by episode.

    Args:
        stream: the stream.
        n_steps: global environment steps to cover; None for about ten segments.
        seed: the stream's seed.
        n_envs: copies of the world.

    Returns:
        A timeline for each thing counted, in the order of the stream; none where nothing changes.

    Example:
        >>> from everlearn.envs import make_stream
        >>> stream = make_stream("everlearn/SlipperyAnt-v0:change_every=500")
        >>> (timeline,) = timelines(stream, n_steps=1200)
        >>> list(timeline.segments()) == stream.table(1200, seed=0)
        True
    """
    groups: dict[str, list[Change]] = {}
    for change in stream.changes:
        groups.setdefault(_COUNTS[change.clock], []).append(change)
    result = []
    for counts, changes in groups.items():
        line = Timeline(stream, tuple(changes), counts, 1, seed, n_envs)
        result.append(replace(line, end=_end(line, n_steps)))
    return result


def _end(line: Timeline, n_steps: int | None) -> int:
    if n_steps is None or line.counts == _COUNTS["episodes"]:
        return max(_span(line.only(change)) for change in line.changes)
    return n_steps if line.counts == ENVIRONMENT_STEPS else -(-n_steps // line.n_envs)


def _span(line: Timeline) -> int:
    """Find how much there is to see: ten segments, or more where they are short or listed."""
    endless = replace(line, end=2**62)
    listed = max(len(getattr(change.law, "values", ())) for change in line.changes)
    count = max(_SEGMENTS, min(listed, _MOST_LISTED))
    starts = [row.step for row in islice(endless.segments(), count + 1)]
    # After the last of a few changes, leave room to see that it is the last.
    span = starts[-1] if len(starts) > count else starts[-1] * 5 // 4
    return _rounded(max(span, _LEAST))


def _rounded(number: int) -> int:
    """Round up to three digits."""
    unit = 10 ** max(len(str(number)) - 3, 0)
    return -(-number // unit) * unit
