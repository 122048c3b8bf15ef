"""What a changing world does at each step, whether it has one copy or many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium
import numpy as np
from gymnasium import spaces

from . import info as names
from .change import Change, as_change, require_own_knobs
from .clockwork import Clockwork
from .errors import SettingsError
from .interface import InterfaceKnob, find_interface_knob
from .knobs import KnobBoard, Landing
from .schedules import At
from .values import Values


@runtime_checkable
class ContextSetter(Protocol):
    """Worlds that set their own context."""

    def set_context(self, context: Mapping[str, np.ndarray]) -> bool:
        """Give every copy this context; knobs that it leaves out stay as they are.

        Args:
            context: each knob's values, one entry a copy.

        Returns:
            Whether the episodes in progress are over, so that a full `reset` must follow.
        """


class Outcome(NamedTuple):
    """What a step came to.

    Attributes:
        observations: as the agent sees them, terminal ones included, shape (n_copies, ...).
        rewards: as the agent gets them, shape (n_copies,).
        truncated: with the episodes that a change ends, shape (n_copies,).
        rebuilt: whether every world must be reset now.
    """

    observations: Any
    rewards: np.ndarray
    truncated: np.ndarray
    rebuilt: bool


class Engine:
    """Alters what passes between worlds and their agent, and moves the worlds' knobs.

    The observation, the next action and the step that it leads to all belong to the same clock: at
    clock `k` the world has the context of clock `k`.

    Args:
        changes: the changes, or their plain data.
        worlds: set their context themselves, or are gymnasium worlds to be changed in place.
        observation_space: of one copy.
        action_space: of one copy.
        n_copies: copies of the world.
        seed: the stream's seed; None for the one that `start` is given.
        boundary_labels: whether `info` tells the learner of changes.

    Raises:
        SettingsError: for a change that these worlds cannot make.

    Attributes:
        observation_space: of one copy, as the agent sees it.
        clockwork: the clocks; there is none before `start`.
    """

    def __init__(
        self,
        changes: Sequence[Change | Mapping[str, Any]],
        worlds: ContextSetter | Sequence[gymnasium.Env],
        observation_space: spaces.Space,
        action_space: spaces.Space,
        n_copies: int,
        seed: int | None = None,
        boundary_labels: bool = False,
    ) -> None:
        self.changes = [as_change(change) for change in changes]
        require_own_knobs(self.changes)
        self.observation_space = observation_space
        self.clockwork: Clockwork | None = None
        self._n_copies = n_copies
        self._seed = seed
        self._boundary_labels = boundary_labels
        self._choose: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None
        self._filters: list[InterfaceKnob] = []
        inside = []
        for change in self.changes:
            cls = find_interface_knob(change.knob)
            if cls is None:
                inside.append(change)
            else:
                self._filters.append(cls(self.observation_space, action_space, n_copies))
                self.observation_space = self._filters[-1].observation_space
        self._world_knobs = [change.knob for change in inside]
        if not isinstance(worlds, ContextSetter):
            worlds = _InPlace(worlds, self._world_knobs)
        self._worlds: ContextSetter = worlds
        for change in inside:
            _require_landing(change, worlds)
        self._observers = [one for one in self._filters if _overrides(one, "observe")]
        self._beginners = [one for one in self._filters if _overrides(one, "observe", "begin")]
        self._actors = [one for one in self._filters if _overrides(one, "act")]
        self._rewarders = [one for one in self._filters if _overrides(one, "reward")]
        self._enders = [one for one in self._filters if _overrides(one, "ends")]

    @property
    def alters_actions(self) -> bool:
        """Whether `act` does anything."""
        return bool(self._actors)

    @property
    def rebuilds(self) -> bool:
        """Whether all copies must have the same context, which takes a full reset to set."""
        return getattr(self._worlds, "landing", Landing.IN_PLACE) == Landing.REBUILD

    @property
    def alters_observations(self) -> bool:
        """Whether `finish` and `begin` do anything to observations."""
        return bool(self._observers)

    @property
    def alters_rewards(self) -> bool:
        """Whether `finish` does anything to rewards."""
        return bool(self._rewarders)

    def start(self, seed: int | None) -> None:
        """Begin a new life, if a seed is given or there was none before; else do nothing."""
        if seed is None and self.clockwork is not None:
            self.clockwork.go_unnoticed()
            return
        self.clockwork = Clockwork(self.changes, self._choose_seed(seed), self._n_copies)
        for one in self._filters:
            one.reseed(self.clockwork.seed)
        self._apply(set(self.clockwork.context))

    def hold(self, context: Mapping[str, np.ndarray], seed: int) -> None:
        """Begin a life in which each copy stays in a context of its own; a full reset must follow.

        Args:
            context: each knob's values, one entry a copy. The changes must be those of a stream
                that never changes by itself: `Stream.frozen`.
            seed: the stream's, for what knobs draw at every step.
        """
        self.clockwork = Clockwork(self.changes, seed, self._n_copies)
        self.clockwork.context = {
            name: np.asarray(context[name], dtype=np.float64) for name in self.clockwork.context
        }
        for one in self._filters:
            one.reseed(seed)
        self._apply(set(context))

    def take_over(
        self,
        first: Mapping[str, float],
        choose: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    ) -> None:
        """Let someone else choose the context of each episode; nothing changes by itself any more.

        It holds for the lives that begin from now on: a full reset must follow.

        Args:
            first: some value for each knob.
            choose: is told which copies begin an episode, shape (n_copies,), and returns each
                knob's values, one entry a copy; those of other copies are of no account.

        Raises:
            SettingsError: for worlds that are rebuilt to change them.
        """
        if self.rebuilds:
            raise SettingsError(
                "contexts cannot be chosen for each episode here: these worlds are rebuilt to "
                "change them, so ask for another back end"
            )
        self.changes = [
            Change(one.knob, Values((float(first[one.knob]),)), At(())) for one in self.changes
        ]
        self.clockwork = None
        self._choose = choose

    def act(self, actions: Any) -> Any:
        """Alter the actions on their way to the worlds."""
        for one in self._actors:
            actions = one.act(actions, self._values(one))
        return actions

    def finish(
        self,
        observations: Any,
        rewards: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        info: Mapping[str, Any],
    ) -> Outcome:
        """Pay and look in the present context, and move on to the next clock's.

        Args:
            observations: the next observations, terminal ones included, shape (n_copies, ...).
            rewards: shape (n_copies,).
            terminated: shape (n_copies,).
            truncated: shape (n_copies,).
            info: the worlds' own info, an array an entry.
        """
        clockwork = self._clocks()
        for one in self._rewarders:
            rewards = one.reward(rewards, info, self._values(one))
        for one in self._enders:
            ends = one.ends(clockwork.episode_steps + 1, self._values(one))
            if ends is not None:
                truncated = truncated | (ends & ~terminated)
        moved, cut = clockwork.tick(terminated | truncated)
        rebuilt = bool(moved) and self._apply(moved)
        if rebuilt:
            cut = ~(terminated | truncated)
        for one in self._observers:
            observations = one.observe(observations, self._values(one))
        return Outcome(observations, rewards, truncated | cut, rebuilt)

    def begin(self, observations: Any, which: np.ndarray) -> Any:
        """Begin episodes in some copies.

        Args:
            observations: the first observations in the rows of `which`, shape (n_copies, ...).
            which: the copies, shape (n_copies,).

        Returns:
            The observations as the agent sees them; rows outside of `which` mean nothing.
        """
        clockwork = self._clocks()
        moved = clockwork.begin_episodes(which)
        if self._choose is not None:
            moved = clockwork.place(self._choose(which), which)
        if moved:
            self._apply(moved)
        for one in self._beginners:
            observations = one.begin(observations, which, self._values(one))
        return observations

    def truth(self) -> dict[str, Any]:
        """Say in `info`'s terms what the worlds are like, an array entry a copy."""
        clockwork = self._clocks()
        truth: dict[str, Any] = {
            names.CONTEXT: dict(clockwork.context),
            names.SEGMENT: clockwork.segments.copy(),
            names.STEPS_SINCE_CHANGE: clockwork.clock - clockwork.landed,
            names.CHANGED: clockwork.changed,
        }
        if self._boundary_labels:
            truth[names.BOUNDARY] = clockwork.changed
        return truth

    def get_state(self) -> dict[str, Any]:
        """Return the state of the clocks and of what the knobs remember."""
        clockwork = self._clocks()
        return {
            "seed": clockwork.seed,
            "clockwork": clockwork.get_state(),
            "filters": [one.get_state() for one in self._filters],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned; the worlds get their context too."""
        self.clockwork = Clockwork(self.changes, state["seed"], self._n_copies)
        self.clockwork.set_state(state["clockwork"])
        for one, own in zip(self._filters, state["filters"], strict=True):
            one.set_state(own)
        self._apply(set(self.clockwork.context))

    def _clocks(self) -> Clockwork:
        if self.clockwork is None:
            raise RuntimeError("reset() must come before the first step")
        return self.clockwork

    def _values(self, one: InterfaceKnob) -> np.ndarray:
        return self._clocks().context[one.name]

    def _apply(self, moved: set[str]) -> bool:
        """Give the knobs that moved their values; tell whether the worlds must be reset."""
        context = self._clocks().context
        for one in self._filters:
            if one.name in moved:
                for value in np.unique(context[one.name]):
                    one.check(float(value))
        own = {name: context[name] for name in self._world_knobs if name in moved}
        return bool(own) and self._worlds.set_context(own)

    def _choose_seed(self, given: int | None) -> int:
        if self._seed is not None:
            return self._seed
        if given is not None:
            return given
        return int(np.random.SeedSequence().generate_state(1)[0])


class _InPlace:
    """Sets the context of gymnasium worlds by the knobs of each."""

    def __init__(self, worlds: Sequence[gymnasium.Env], knobs: Sequence[str]) -> None:
        self._boards = [KnobBoard(world, knobs) for world in worlds]

    def set_context(self, context: Mapping[str, np.ndarray]) -> bool:
        for copy, board in enumerate(self._boards):
            board.write({name: float(values[copy]) for name, values in context.items()})
        return False


def _overrides(one: InterfaceKnob, *methods: str) -> bool:
    return any(getattr(type(one), name) is not getattr(InterfaceKnob, name) for name in methods)


def _require_landing(change: Change, worlds: ContextSetter) -> None:
    """Refuse a change inside the episode where worlds must be rebuilt to change."""
    landing = getattr(worlds, "landing", Landing.IN_PLACE)
    asked = {"in-place": Landing.IN_PLACE, "next-reset": Landing.NEXT_RESET}.get(change.landing)
    if asked is not None and asked > landing:
        raise SettingsError(
            f"the knob {change.knob!r} cannot land {change.landing!r} here: these worlds are "
            "rebuilt to change it, so ask for 'boundary', or for another back end"
        )
    if landing == Landing.REBUILD and (change.scope != "shared" or change.clock != "global"):
        raise SettingsError(
            f"the knob {change.knob!r} must have the global clock and a shared scope here: these "
            "worlds are rebuilt together"
        )
