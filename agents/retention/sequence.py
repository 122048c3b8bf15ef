"""Where an agent is in its sequence of tasks, and what it does at a boundary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, final

import torch

from ...wrappers.info import BOUNDARY, CONTEXT
from ..layers import Part
from ..method import Method
from ..prompts.embeddings import metaworld_sentences
from .retention_method import RetentionMethod, acting_for
from .task import Examples, Task

START: dict[str, Any] = {"contexts": [], "descriptions": [], "present": 0, "told": None}
"""The state of an agent that has not begun: plain data, which the agent saves."""


_TASK, _TASK_NAME = "task", "task_name"
"""How a sequence of worlds tells which one it is: in the context, and beside it."""


class Learner(Protocol):
    """What an agent offers to the sequence of its tasks."""

    methods: tuple[Method, ...]
    parts: tuple[Part, ...]
    task_state: dict[str, Any]

    def _draw_examples(self, count: int, generator: torch.Generator | None) -> Examples: ...

    def _task_training(self) -> Callable[[int], None] | None: ...

    def _begin_anew(self, keeps: frozenset[str], renews: frozenset[str]) -> None: ...


@final
class TaskSequence:
    """Tells an agent's retention methods of tasks, as the stream tells the agent of changes.

    A task is a context of the stream; one that comes again is its old task again. Where changes are
    detected by a method, and the stream does not tell, each of them begins a new task.

    Args:
        learner: the agent, whose `task_state` is the sequence's state.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._methods = [m for m in learner.methods if isinstance(m, RetentionMethod)]

    @property
    def kept(self) -> bool:
        """Whether there is a method that keeps tasks."""
        return bool(self._methods)

    def begin(self, info: Mapping[str, Any]) -> None:
        """Begin the first task, unless it has begun.

        Args:
            info: what a copy of the world tells about itself.
        """
        state = self._learner.task_state
        if not self._methods or state["contexts"]:
            return
        state["contexts"], state["descriptions"] = [_plain(info)], [_describe(info)]
        with torch.no_grad():
            for method in self._methods:
                method.start_task(self._task(0), None)

    def hear(self, info: Mapping[str, Any]) -> None:
        """Note that another task begins; `go_on` goes on to it.

        Args:
            info: what a copy of the world tells about itself.
        """
        if self._methods:
            self._learner.task_state["told"] = [_plain(info), _describe(info)]

    @torch.no_grad()
    def go_on(self) -> None:
        """End the present task and begin the next, if the agent was told of one."""
        learner, state = self._learner, self._learner.task_state
        if state["told"] is None:
            return
        (context, description), state["told"] = state["told"], None
        contexts, present = state["contexts"], state["present"]
        if context is not None and context == contexts[present]:
            return
        training = learner._task_training()
        previous = replace(self._task(present), sample=learner._draw_examples)
        ended = previous
        if training is not None:
            ended = replace(ended, train=training)
        for method in self._methods:
            method.end_task(ended)
        if context is None or context not in contexts:
            contexts.append(context)
            state["descriptions"].append(description)
            state["present"] = len(contexts) - 1
        else:
            state["present"] = contexts.index(context)
        kept = frozenset[str]().union(*(method.keeps() for method in self._methods))
        renewed = frozenset[str]().union(*(method.renews() for method in self._methods))
        begun = self._task(state["present"])
        for method in self._methods:
            method.start_task(begun, previous)
        learner._begin_anew(kept, renewed)

    @contextmanager
    def acting_in_earlier(self, draw: Callable[[int], int]) -> Iterator[bool]:
        """Let the networks be what they are in an earlier task, if that is how a method explores.

        Args:
            draw: returns a whole number from 0 up to, but not, a given one.

        Yields:
            Whether they are.
        """
        state = self._learner.task_state
        others = [i for i in range(len(state["contexts"])) if i != state["present"]]
        asked = any(method.exploration() == "previous" for method in self._methods)
        if not (asked and others):
            yield False
            return
        number = others[draw(len(others))]
        with acting_for(self._methods, self._learner.parts, number):
            yield True

    def _task(self, number: int) -> Task:
        """Return a task without data."""
        state = self._learner.task_state
        context = state["contexts"][number] or {}
        numbers = tuple(value for knob, value in context.items() if knob != _TASK)
        return Task(number, state["descriptions"][number], numbers)

    def log(self) -> dict[str, float]:
        """Return the present task's number, and how many there have been."""
        state = self._learner.task_state
        if not self._methods:
            return {}
        return {
            "continual/task": float(state["present"]),
            "continual/tasks": float(len(state["contexts"])),
        }

    @contextmanager
    def acting_in(self, context: Mapping[str, Any]) -> Iterator[None]:
        """Let the networks be what they are in a task; in one that never began, as they are.

        Args:
            context: the task's: each knob's value.
        """
        contexts, own = (
            self._learner.task_state["contexts"],
            _plain({CONTEXT: context, BOUNDARY: True}),
        )
        if not self._methods or own not in contexts:
            yield
            return
        with acting_for(self._methods, self._learner.parts, contexts.index(own)):
            yield


def renew_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Let an optimizer forget all that it knows, its step count included.

    Args:
        optimizer: any.
    """
    optimizer.state.clear()
    for group in optimizer.param_groups:
        if "steps" in group:
            group["steps"] = 0


def _describe(info: Mapping[str, Any]) -> str:
    """Return what is to be done in a world of a sequence, or its name, or nothing."""
    name = str(info.get(_TASK_NAME, "")) if BOUNDARY in info else ""
    return metaworld_sentences().get(name, name)


def _plain(info: Mapping[str, Any]) -> dict[str, float] | None:
    """Return a context as plain data, or None where the learner is not told."""
    context = info.get(CONTEXT)
    if not context or BOUNDARY not in info:
        return None
    return {str(name): float(value) for name, value in sorted(context.items())}
