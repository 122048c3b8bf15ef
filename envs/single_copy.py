"""One copy of a vectorised world as a plain environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv

from ..wrappers.engine import ContextSetter
from ..wrappers.errors import SettingsError
from ..wrappers.knobs import Landing


@final
class SingleCopy(gymnasium.Env[Any, Any]):
    """A vector environment of one copy, seen as a `gymnasium.Env`.

    A world with same-step autoreset has begun its next episode before anybody asks for it. That
    beginning is kept for the `reset` that follows, so that no episode is thrown away, and the
    episodes are those of the vectorised world.

    Args:
        worlds: a vector environment of one copy, with same-step autoreset.

    Raises:
        SettingsError: for another number of copies, or another autoreset mode.

    Example:
        >>> from everlearn.envs.envpool_worlds import EnvPoolWorlds
        >>> env = SingleCopy(EnvPoolWorlds("MetaWorld/Push-v3", num_envs=1))
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape
        (39,)
        >>> env.close()
    """

    def __init__(self, worlds: VectorEnv) -> None:
        if worlds.num_envs != 1:
            raise SettingsError(f"SingleCopy takes one copy, not {worlds.num_envs}")
        if worlds.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise SettingsError("SingleCopy needs a vector environment with same-step autoreset")
        self.worlds = worlds
        self.observation_space = worlds.single_observation_space
        self.action_space = worlds.single_action_space
        self.metadata = {"render_modes": []}
        self._begun: tuple[Any, dict[str, Any]] | None = None
        self._beginning_keys: set[str] = set()
        self._running = False

    @property
    def landing(self) -> Landing:
        """The strongest landing that the world supports."""
        return getattr(self.worlds.unwrapped, "landing", Landing.IN_PLACE)

    def set_context(self, context: Mapping[str, Any]) -> bool:
        """Give the world this context.

        Args:
            context: each knob's value.

        Returns:
            True when the running episode is over: the next `reset` begins in the new context.

        Raises:
            SettingsError: if the world cannot be changed.
        """
        world = self.worlds.unwrapped
        if not isinstance(world, ContextSetter):
            raise SettingsError(f"cannot change the worlds inside a {type(world).__name__}")
        if not world.set_context(context):
            return False
        was_running, self._running = self._running, False
        # What had begun, began in the old context.
        self._begun = None
        return was_running

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, or the one that has begun already."""
        super().reset(seed=seed)
        if seed is not None or options or self._begun is None:
            observations, info = self.worlds.reset(seed=seed, options=options)
            self._begun = observations[0], _of_first(info)
            self._beginning_keys = set(self._begun[1])
        beginning, self._begun = self._begun, None
        self._running = True
        return beginning

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step.

        Raises:
            ResetNeeded: if no episode is running.
        """
        if not self._running:
            raise ResetNeeded("the episode is over: call reset")
        observations, rewards, terminated, truncated, info = self.worlds.step(np.asarray([action]))
        observation, told = observations[0], _of_first(info)
        if terminated[0] or truncated[0]:
            # What stands beside `final_info` tells of the next episode, or sums up this one.
            beginning = {key: told[key] for key in told if key in self._beginning_keys}
            self._begun = observation, beginning
            self._running = False
            observation, told = told["final_obs"], told["final_info"]
        return observation, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), told

    def close(self) -> None:
        """Close the world."""
        self.worlds.close()


def _of_first(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a vector environment's info says of its first copy."""
    told: dict[str, Any] = {}
    for key, value in info.items():
        if (key[0] == "_" and key[1:] in info) or not np.all(info.get(f"_{key}", True)):
            continue
        told[key] = _of_first(value) if isinstance(value, dict) else value[0]
    return told
