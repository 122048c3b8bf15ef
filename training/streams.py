"""What `scripts/streams.py` does: list every stream, or tell of one what changes when.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..wrappers.errors import SettingsError, unknown
from .terminal import print_table, readers_may_leave

if TYPE_CHECKING:
    from ..envs import Stream, TableRow
    from ..evaluation.stream_figures import Track
    from .timelines import Timeline

_HEAD, _TAIL = 20, 10
"""Rows of a long table that are printed: its first and its last."""

_MOST = 100_000
"""Rows that are counted to say how many are left out."""


@dataclass(frozen=True)
class ShowStreams:
    """List every stream; or of one, print what changes when, and draw it."""

    stream: Annotated[str | None, tyro.conf.Positional] = None
    """A stream's id, id:setting=value,setting=value, or a JSON file; without it, all are listed."""

    seed: int = 0
    """The stream's seed, 0 or more."""

    steps: int | None = None
    """Environment steps to cover, over all copies; by default enough for about ten changes."""

    n_envs: int = 1
    """Copies of the world: changes land at multiples of this; the first copy is shown."""

    all: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print every row, also those within transitions and of noise, however many there are."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the stream's JSON on standard output, its hash on standard error, and nothing else."""

    picture: Path | None = None
    """Where to draw it; the ending says the format. By default <name>.png in this folder."""

    def check(self) -> None:
        """Raise `SettingsError` for a number outside of its range."""
        for name, value, least in (
            ("seed", self.seed, 0),
            ("steps", 1 if self.steps is None else self.steps, 1),
            ("n-envs", self.n_envs, 1),
        ):
            if value < least:
                raise SettingsError(f"--{name} must be {least} or more, not {value}")


def show_streams(settings: ShowStreams) -> None:
    """Do what the command line asks for.

    Args:
        settings: what it says.

    Raises:
        SettingsError: for a stream or a setting that there is not, or a picture that cannot be
            written.
    """
    settings.check()
    if settings.stream is None:
        with readers_may_leave():
            _list_streams()
        return
    stream = read_stream(settings.stream)
    if settings.json:
        print(stream.to_json())
        print(f"hash: {stream.hash()}", file=sys.stderr)
        return
    with readers_may_leave():
        _show(stream, settings)


def _show(stream: Stream, settings: ShowStreams) -> None:
    from .timelines import timelines

    lines = timelines(stream, settings.steps, settings.seed, settings.n_envs)
    picture = None
    if lines:
        picture = settings.picture or Path(f"{_short(stream.name).replace('/', '-')}.png")
        _draw(stream, lines, picture)
    _print_stream(stream)
    for line in lines:
        _print_timeline(line, settings.all)
    print(f"\npicture: {picture}" if picture else "\nnothing changes, so there is no picture")


def read_stream(text: str | Mapping[str, Any]) -> Stream:
    """Find a stream by its id, or read it from a JSON file.

    Args:
        text: an id, with or without settings, or the path of a file that ends in ".json"; or a
            stream's plain data.

    Raises:
        SettingsError: for an unknown stream, setting, knob or world, or a file that cannot be read.
    """
    from ..envs import Stream, make_stream

    if not isinstance(text, str) or not text.endswith(".json"):
        return make_stream(text)
    try:
        stream = Stream.from_json(Path(text).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"cannot read the stream {text}: {reason}") from error
    _require_worlds(stream)
    return stream


def _require_worlds(stream: Stream) -> None:
    """Refuse worlds that there are not."""
    import gymnasium

    strange = [world for world in stream.worlds if world not in gymnasium.registry]
    if not strange:
        return
    import envpool

    for world in strange:
        if world not in envpool.list_all_envs():
            raise unknown("world", world, [*envpool.list_all_envs(), *gymnasium.registry])


def _list_streams() -> None:
    from ..envs.catalogue import CATALOGUE
    from . import stream_words as words

    rows = []
    for name, builder in CATALOGUE.items():
        stream = builder()
        told = (words.changes_in_words, words.worlds_in_words, words.observed_in_words)
        rows.append([name, words.first_line(builder), *(tell(stream) for tell in told)])
    columns = ["stream", "what it is", "what changes when", "worlds", "the agent sees"]
    print_table(columns, rows, whole=["stream"])


def _print_stream(stream: Stream) -> None:
    """Print what a stream is."""
    from ..envs.catalogue import CATALOGUE
    from . import stream_words as words

    print(f"{stream.name}, hash {stream.hash()}")
    builder = CATALOGUE.get(stream.name)
    if builder is not None:
        print(words.description(builder))
    print(f"\nworlds: {', '.join(stream.worlds)}")
    for change in stream.changes:
        print(f"{change.knob}: {words.law_in_words(change)}; {words.schedule_in_words(change)}")
    print(f"the agent sees: {words.observed_in_words(stream)}")
    if builder is not None:
        defaults = inspect.signature(builder).parameters.values()
        print(f"settings: {', '.join(f'{one.name}={one.default}' for one in defaults)}")


def _print_timeline(line: Timeline, everything: bool) -> None:
    """Print a timeline's segments, or all its contexts; a long one without its middle."""
    from .stream_words import context_in_words

    names = task_names(line.stream)
    knobs = [change.knob for change in line.changes]
    columns = [line.counts, "segment", *knobs]
    rows: Iterable[TableRow] = line.contexts() if everything else line.segments()
    kept = list(rows if everything else islice(rows, _MOST))
    left_out = 0 if everything else max(len(kept) - _HEAD - _TAIL, 0)
    cells = [
        [f"{row.step:,}", f"{row.segment:,}", *context_in_words(row.context, names)]
        for row in (kept[:_HEAD] + kept[-_TAIL:] if left_out else kept)
    ]
    if left_out:
        more = "" if len(kept) < _MOST else " or more"
        middle = ["...", f"{left_out:,}{more} left out", *["..."] * len(knobs)]
        cells.insert(_HEAD, middle)
    print()
    print_table(columns, cells, right=[name for name in columns if name not in names])
    if not everything and any(one.noise or one.transition.duration for one in line.changes):
        print("Values also move within segments: --all prints every one.")


def task_names(stream: Stream) -> dict[str, tuple[str, ...]]:
    """Return what the values of a knob stand for, if it has such values."""
    from ..wrappers.observe_context import TASK
    from .stream_words import short_names

    return {TASK: short_names(stream.worlds)} if len(stream.worlds) > 1 else {}


def tracks_of(lines: Sequence[Timeline]) -> list[Track]:
    """Return what to draw of timelines: a track for each knob.

    Args:
        lines: of one stream, at least one.
    """
    from ..evaluation.stream_figures import Track

    names = task_names(lines[0].stream)
    return [
        Track(
            change.knob,
            [(row.step, row.segment, row.context[change.knob]) for row in line.points(change)],
            line.end,
            line.counts,
            names.get(change.knob, ()),
        )
        for line in lines
        for change in line.changes
    ]


def _draw(stream: Stream, lines: list[Timeline], picture: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ..evaluation.stream_figures import draw_stream

    formats = FigureCanvasAgg.get_supported_filetypes()
    if picture.suffix[1:].lower() not in formats:
        raise unknown("format of a picture", picture.suffix, [f".{one}" for one in formats])
    seed = lines[0].seed
    try:
        draw_stream(f"{stream.name}, seed {seed}", tracks_of(lines), picture)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"cannot write the picture {picture}: {reason}") from error


def _short(name: str) -> str:
    return name.removeprefix("everlearn/")
