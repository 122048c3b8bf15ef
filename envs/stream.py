"""A stream: a changing world as data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..wrappers.change import Change, require_own_knobs
from ..wrappers.errors import SettingsError, unknown


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
    """A changing world: a base world, what changes in it, by which law, and when.

    Args:
        name: the stream's id, such as "everlearn/SlipperyAnt-v0".
        world: gymnasium's id of the base world, such as "Ant-v5".
        changes: what changes.
        world_settings: keyword arguments of the base world.
        boundary_labels: whether the learner is told of changes.

    Example:
        >>> from everlearn.envs import make_stream
        >>> stream = make_stream("everlearn/SlipperyAnt-v0:change_every=500")
        >>> Stream.from_json(stream.to_json()) == stream
        True
    """

    name: str
    world: str
    changes: tuple[Change, ...]
    world_settings: Mapping[str, Any] = field(default_factory=dict)
    boundary_labels: bool = False

    def __post_init__(self) -> None:
        require_own_knobs(self.changes)

    def table(self, n_steps: int, seed: int, n_envs: int = 1) -> list[TableRow]:
        """List every context that begins before a step, in the first copy of the world.

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
            row, following = self._row(clock, seed, n_envs)
            rows.append(row)
            clock = None if following is None else -(-following // n_envs) * n_envs
        return rows

    def _row(self, clock: int, seed: int, n_envs: int) -> tuple[TableRow, int | None]:
        """Compute the context of the first copy at one clock, and when it next changes."""
        context, segment, following = {}, 0, []
        for position, change in enumerate(self.changes):
            unit = {"global": 1, "copy": n_envs, "episode": n_envs}.get(change.clock)
            key = change.key(seed, position, copy=0, episode=0)
            state = change.state(0 if unit is None else clock // unit, key)
            context[change.knob] = state.value
            segment += state.number
            if unit is not None and state.stop is not None:
                following.append(state.stop * unit)
        return TableRow(clock, segment, context), min(following, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the stream as JSON's types."""
        return {
            "name": self.name,
            "world": self.world,
            "changes": [change.to_data() for change in self.changes],
            "world_settings": dict(self.world_settings),
            "boundary_labels": self.boundary_labels,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Stream:
        """Read a stream back from what `to_dict` returned.

        Raises:
            SettingsError: for anything missing, unknown or out of range.
        """
        allowed = ("name", "world", "changes", "world_settings", "boundary_labels")
        for key in data:
            if key not in allowed:
                raise unknown("setting of a stream", str(key), allowed)
        for key in ("name", "world", "changes"):
            if key not in data:
                raise SettingsError(f"a stream needs {key!r}")
        return cls(
            name=data["name"],
            world=data["world"],
            changes=tuple(Change.from_data(change) for change in data["changes"]),
            world_settings=dict(data.get("world_settings", {})),
            boundary_labels=bool(data.get("boundary_labels", False)),
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
