"""A stream: a changing world as data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, get_args

from ..wrappers.change import Change, places, require_own_knobs
from ..wrappers.errors import SettingsError, unknown
from ..wrappers.interface import find_interface_knob
from ..wrappers.knobs import find_knob
from ..wrappers.observe_context import TASK, Observed
from ..wrappers.schedules import At
from ..wrappers.values import Values

BoundaryLabels = Literal["none", "training", "always"]
"""When the learner is told of changes, under `info["boundary"]`."""


class TableRow(NamedTuple):
    """One context of a stream.

    Attributes:
        step: global environment step at which the context lands.
        segment: how many changes have landed by then.
        context: each knob's value.
    """

    step: int
    segment: int
    context: dict[str, float]


@dataclass(frozen=True)
class Stream:
    """A changing world: base worlds, what changes in them, by which law, and when.

    Args:
        name: the stream's id, such as "everlearn/SlipperyAnt-v0".
        worlds: ids of the base worlds: one, or several that a change of the knob "task" takes its
            pick from, by index.
        changes: what changes.
        world_settings: keyword arguments of every base world.
        observed: what the agent sees of the context; `info` tells all of it in any case.
        boundary_labels: when the learner is told of changes.

    Raises:
        SettingsError: for no world, an unknown knob, a task without several worlds, several
            without a task, or anything out of range.

    Example:
        >>> from everlearn.envs import make_stream
        >>> stream = make_stream("everlearn/SlipperyAnt-v0:change_every=500")
        >>> Stream.from_json(stream.to_json()) == stream
        True
    """

    name: str
    worlds: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    world_settings: Mapping[str, Any] = field(default_factory=dict)
    observed: Observed = "hidden"
    boundary_labels: BoundaryLabels = "none"

    def __post_init__(self) -> None:
        require_own_knobs(self.changes)
        worlds_are_names = isinstance(self.worlds, tuple) and all(
            isinstance(world, str) for world in self.worlds
        )
        if not worlds_are_names or not self.worlds:
            raise SettingsError(f"worlds must be ids of worlds, at least one, not {self.worlds!r}")
        if self.observed not in get_args(Observed):
            raise unknown("way to observe a stream", str(self.observed), get_args(Observed))
        if self.boundary_labels not in get_args(BoundaryLabels):
            allowed = get_args(BoundaryLabels)
            raise unknown("kind of boundary labels", str(self.boundary_labels), allowed)
        for knob in self.knobs:
            if knob != TASK and find_interface_knob(knob) is None:
                find_knob(knob)
        if (TASK in self.knobs) != (len(self.worlds) > 1):
            raise SettingsError(f"several worlds and a change of {TASK!r} need one another")

    @property
    def knobs(self) -> tuple[str, ...]:
        """The knobs that change, in order."""
        return tuple(change.knob for change in self.changes)

    def frozen(self, step: int = 0, seed: int = 0) -> Stream:
        """Return a stream that stays for ever in the context that this one has at a step.

        For evaluation, and as the control of an experiment: the same worlds, without a change.

        Args:
            step: global environment step.
            seed: the stream's seed.

        Example:
            >>> from everlearn.envs import make_stream
            >>> stream = make_stream("everlearn/SlipperyAnt-v0:change_every=500")
            >>> frozen = stream.frozen(step=700, seed=0)
            >>> frozen.table(10**9, seed=5)[0].context == stream.table(700, seed=0)[1].context
            True
        """
        row, _ = self._row(step, seed, 1)
        changes = tuple(
            Change(knob, Values((value,)), At(())) for knob, value in row.context.items()
        )
        return replace(self, changes=changes)

    def next_change(self, step: int, seed: int, n_envs: int = 1) -> int | None:
        """Return the global environment step at which the context after a step's begins.

        Args:
            step: global environment step.
            seed: the stream's seed.
            n_envs: copies of the world: a change lands at a multiple of this.

        Returns:
            The step, or None where there is no other change, or none that can be known: see
            `table`.

        Example:
            >>> from everlearn.envs import make_stream
            >>> make_stream("everlearn/SlipperyAnt-v0:change_every=500").next_change(499, seed=0)
            500
        """
        return self._row(step, seed, n_envs)[1]

    def table(self, n_steps: int, seed: int, n_envs: int = 1) -> list[TableRow]:
        """List every context that begins before a step, in the first copy of the world.

        Noise is left out, and of a transition only its begin and its end are listed.

        What follows episodes cannot be known before they are lived: a change that counts the steps
        of an episode is listed as in a first episode that never ends, one that counts episodes
        stays at its first value, and one that waits for the next reset is listed when it is due.

        Args:
            n_steps: global environment steps to cover, at least 1.
            seed: the stream's seed.
            n_envs: copies of the world: a change lands at a multiple of this.

        Returns:
            One row a context, in order; the first is at step 0.

        Example:
            >>> from everlearn.envs import make_stream
            >>> stream = make_stream("everlearn/SlipperyAnt-v0:change_every=500")
            >>> [row.step for row in stream.table(n_steps=1200, seed=0)]
            [0, 500, 1000]
        """
        rows = []
        clock: int | None = 0
        while clock is not None and clock < n_steps:
            row, clock = self._row(clock, seed, n_envs)
            rows.append(row)
        return rows

    def _row(self, clock: int, seed: int, n_envs: int) -> tuple[TableRow, int | None]:
        """Compute the context of the first copy at one clock, and when it next changes."""
        context, segments, following = {}, {}, []
        for change, place in zip(self.changes, places(self.changes), strict=True):
            unit = {"global": 1, "copy": n_envs, "episode": n_envs}.get(change.clock)
            seeds = change.seeds(seed, place, copy=0, episode=0)
            state = change.landmark(0 if unit is None else clock // unit, seeds)
            context[change.knob] = state.value
            segments[place.group] = state.number
            if unit is not None and state.stop is not None:
                following.append(state.stop * unit)
        row = TableRow(clock, sum(segments.values()), context)
        return row, -(-min(following) // n_envs) * n_envs if following else None

    def to_dict(self) -> dict[str, Any]:
        """Return the stream as JSON's types."""
        return {
            "name": self.name,
            "worlds": list(self.worlds),
            "changes": [change.to_data() for change in self.changes],
            "world_settings": dict(self.world_settings),
            "observed": self.observed,
            "boundary_labels": self.boundary_labels,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Stream:
        """Read a stream back from what `to_dict` returned.

        Raises:
            SettingsError: for anything missing, unknown or out of range.
        """
        allowed = [one.name for one in fields(cls)]
        for key in data:
            if key not in allowed:
                raise unknown("setting of a stream", str(key), allowed)
        for key in ("name", "worlds"):
            if key not in data:
                raise SettingsError(f"a stream needs {key!r}")
        worlds, changes = data["worlds"], data.get("changes", [])
        if not isinstance(worlds, list) or not isinstance(changes, list):
            raise SettingsError("a stream's worlds and changes must be lists")
        settings = data.get("world_settings", {})
        if not isinstance(settings, Mapping):
            raise SettingsError("a stream's world_settings must be a mapping")
        return cls(
            name=str(data["name"]),
            worlds=tuple(worlds),
            changes=tuple(Change.from_data(change) for change in changes),
            world_settings=dict(settings),
            observed=data.get("observed", "hidden"),
            boundary_labels=data.get("boundary_labels", "none"),
        )

    def to_json(self) -> str:
        """Return the stream as JSON, the same text for equal streams."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Stream:
        """Read a stream from JSON.

        Raises:
            SettingsError: if the text is no JSON object, or describes no stream.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise SettingsError(f"a stream's description is not JSON: {error}") from error
        if not isinstance(data, dict):
            raise SettingsError("a stream's description must be a JSON object")
        return cls.from_dict(data)

    def hash(self) -> str:
        """Return twelve hexadecimal digits that are the same for equal streams, everywhere."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]
