"""A wrapper that changes one world while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from .change import Change
from .engine import ContextSetter, Engine

_ONE = np.ones(1, dtype=bool)


class NonStationary(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Changes a world in place, by clocks that survive episode resets.

    The observation, the next action and the step that it leads to all belong to the same clock: at
    clock `k` the world has the context of clock `k`, and `info` tells it. `reset(seed=...)` begins
    a new life, with the clock at 0; `reset()` goes on with the old one.

    A vector version exists: `VectorNonStationary`.

    Args:
        env: the world. It must be untouched: its values now are what changes are undone to.
        changes: the changes, or the plain data that `Change.to_data` returned.
        seed: the stream's seed. None: the seed of `reset(seed=...)`, or a random one.
        boundary_labels: whether `info` tells the learner of changes under the key "boundary".

    Raises:
        SettingsError: for a knob that is unknown or that the world does not have.

    Example:
        >>> import gymnasium, everlearn.envs
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from everlearn.wrappers.values import Values
        >>> change = Change("friction", Values((1.0, 0.1)), Periodic(2))
        >>> env = NonStationary(gymnasium.make("Ant-v5"), [change])
        >>> _, info = env.reset(seed=0)
        >>> for _ in range(3):
        ...     print(info["segment"], info["context"])
        ...     _, _, _, _, info = env.step(env.action_space.sample())
        0 {'friction': 1.0}
        0 {'friction': 1.0}
        1 {'friction': 0.1}

    Change logs:
        * v0.1.0 - Initially added
    """

    def __init__(
        self,
        env: gymnasium.Env,
        changes: Sequence[Change | Mapping[str, Any]],
        seed: int | None = None,
        boundary_labels: bool = False,
    ) -> None:
        gymnasium.Wrapper.__init__(self, env)
        own = env.unwrapped
        worlds = own if isinstance(own, ContextSetter) else [env]
        self._engine = Engine(
            changes, worlds, env.observation_space, env.action_space, 1, seed, boundary_labels
        )
        self.observation_space = self._engine.observation_space
        RecordConstructorArgs.__init__(
            self,
            changes=[change.to_data() for change in self._engine.changes],
            seed=seed,
            boundary_labels=boundary_labels,
        )

    @property
    def clock(self) -> int:
        """Environment steps since this life began."""
        return 0 if self._engine.clockwork is None else self._engine.clockwork.clock

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; with a seed, begin the stream anew as well."""
        self._engine.start(seed)
        observation, info = self.env.reset(seed=seed, options=options)
        first = self._engine.begin(self._batch(observation), _ONE)[0]
        return first, {**info, **self._truth()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step in the present context, then move to the next clock's."""
        if self._engine.alters_actions:
            action = self._engine.act(np.asarray(action)[None])[0]
        observation, reward, terminated, truncated, info = self.env.step(action)
        outcome = self._engine.finish(
            self._batch(observation),
            np.array([reward], dtype=np.float64),
            np.array([terminated]),
            np.array([truncated]),
            {key: np.array([value]) for key, value in info.items() if np.isscalar(value)},
        )
        return (
            outcome.observations[0],
            float(outcome.rewards[0]),
            bool(terminated),
            bool(outcome.truncated[0]),
            {**info, **self._truth()},
        )

    def _batch(self, observation: Any) -> Any:
        return np.asarray(observation)[None] if self._engine.alters_observations else [observation]

    def _truth(self) -> dict[str, Any]:
        return _first(self._engine.truth())


def _first(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {key: _first(value) for key, value in entry.items()}
    return entry[0].item()
