"""Pictures of a stream: what changes when."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE = "#14487a"
_CHANGE = "#c2452d"
_TEXT = "#4d4d4d"
_MOST_CHANGES = 60
_NARROW = 0.11
_SLIM = 0.02


class Track(NamedTuple):
    """One knob over time.

    Attributes:
        knob: its name.
        points: (time, segment, value) in order, the first at time 0; a value holds until the next.
        end: time at which the picture ends.
        axis: what time counts, such as "environment steps".
        names: what values stand for, by index, where they stand for something: tasks.
    """

    knob: str
    points: Sequence[tuple[int, int, float]]
    end: int
    axis: str
    names: Sequence[str] = ()


def draw_stream(title: str, tracks: Sequence[Track], file: str | Path) -> None:
    """Draw what changes when, into a file.

    Args:
        title: the picture's title.
        tracks: at least one; those with the same time axis side by side.
        file: the picture; its ending says the format, such as ".png".
    """
    stream_figure(title, tracks).savefig(file)


def stream_figure(title: str, tracks: Sequence[Track]) -> Figure:
    """Draw what changes when: a panel for each knob, tasks as coloured bands.

    Changes are marked by dashed lines where they can be told apart. Values that span more than a
    decade, most of them near its lower end, have a logarithmic axis.

    Args:
        title: the picture's title.
        tracks: at least one; those with the same time axis side by side.
    """
    heights = [_height(track) for track in tracks]
    figure = Figure(figsize=(10, 0.9 + sum(heights)), dpi=140)
    figure.set_layout_engine("constrained", w_pad=0.1)
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(tracks), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, track in zip(panels, tracks, strict=True):
        if track.names:
            _draw_tasks(panel, track)
        else:
            _draw_values(panel, track)
        panel.set_xlim(0, track.end)
        panel.set_title(track.knob, loc="left", fontsize="medium", pad=4)
    for i, track in enumerate(tracks):
        last = i + 1 == len(tracks) or tracks[i + 1].axis != track.axis
        panels[i].xaxis.set_major_formatter(EngFormatter(sep=""))
        panels[i].xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[i].tick_params(labelbottom=last)
        if last:
            panels[i].set_xlabel(track.axis)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def starts(points: Sequence[tuple[int, int, float]]) -> list[int]:
    """List when segments began, but for the first.

    Args:
        points: (time, segment, value) in order.

    Example:
        >>> starts([(0, 0, 1.0), (5, 1, 1.0), (6, 1, 1.5), (9, 2, 0.0)])
        [5, 9]
    """
    return [after[0] for before, after in pairwise(points) if after[1] != before[1]]


def _height(track: Track) -> float:
    if not track.names:
        return 1.9
    widths = np.diff([0, *starts(track.points), track.end])
    return 1.1 if widths.min() >= _NARROW * track.end else 2.0


def _draw_values(panel: Axes, track: Track) -> None:
    times, _, values = (np.array(column) for column in zip(*track.points, strict=True))
    changes = starts(track.points)
    still = len(changes) + 1 == len(times)
    told_apart = len(changes) <= _MOST_CHANGES
    times, values = np.append(times, track.end), np.append(values, values[-1])
    if told_apart:
        panel.step(times, values, where="post", color=_LINE, linewidth=1.8 if still else 1.1)
    else:
        panel.plot(times[:-1], values[:-1], color=_LINE, linewidth=1.1)
    panel.margins(y=0.25)
    _set_value_axis(panel, values, few=still and told_apart)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    panel.set_axisbelow(True)
    for change in changes if told_apart else ():
        panel.axvline(change, color=_CHANGE, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
    if still and told_apart:
        _write_values(panel, times, values)


def _set_value_axis(panel: Axes, values: np.ndarray, few: bool) -> None:
    low, high = values.min(), values.max()
    if low > 0 and high > 10 * low and np.median(values) < high / 3:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())
    elif few and len(np.unique(values)) <= 4:
        panel.set_yticks(np.unique(values))
        panel.yaxis.set_major_formatter("{x:.3g}")


def _write_values(panel: Axes, times: np.ndarray, values: np.ndarray) -> None:
    for start, end, value in zip(times, times[1:], values, strict=False):
        if end - start > 0.055 * times[-1]:
            panel.annotate(
                f"{value:.3g}", ((start + end) / 2, value), (0, 4), textcoords="offset points",
                ha="center", fontsize="small", color=_TEXT,
            )  # fmt: skip


def _draw_tasks(panel: Axes, track: Track) -> None:
    # Tasks of one name are one task, wherever they stand in the list.
    tasks = list(dict.fromkeys(track.names))
    colors = colormaps["tab10" if len(tasks) <= 10 else "tab20"]
    corners = [*track.points, (track.end, -1, 0.0)]
    seen: dict[str, Any] = {}
    all_told = True
    for (start, _, value), (end, _, _) in pairwise(corners):
        name = track.names[int(value)]
        color = colors(tasks.index(name) % colors.N)
        seen[name] = panel.axvspan(start, end, color=color, alpha=0.35, linewidth=0)
        width = (end - start) / track.end
        all_told &= width >= _SLIM
        if width >= _SLIM:
            panel.text(
                (start + end) / 2, 0.5, name, transform=panel.get_xaxis_transform(), ha="center",
                va="center", rotation=0 if width >= _NARROW else 90, fontsize="small", clip_on=True,
            )  # fmt: skip
    for change in starts(track.points) if len(track.points) <= _MOST_CHANGES else ():
        panel.axvline(change, color=_CHANGE, linewidth=1, linestyle=(0, (4, 3)))
    if not all_told:
        panel.legend(
            seen.values(), seen.keys(), loc="lower right", bbox_to_anchor=(1, 1), ncols=5,
            frameon=False, fontsize="x-small", borderaxespad=0.2,
        )  # fmt: skip
    panel.set_yticks([])
    panel.spines[["top", "right", "left"]].set_visible(False)
