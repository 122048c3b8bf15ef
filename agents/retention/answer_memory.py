"""A memory of what a policy answered in its tasks, kept in a method's buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..layers import Part
from ..method import Method
from .answers import Answers, answers_with, divergence
from .task import Task

_OBSERVATIONS = "observations"


def keep_answers(method: Method, part: Part, task: Task, count: int) -> None:
    """Keep some of a task's observations, and what the policy answers there now.

    Args:
        method: whose buffers and generator are used.
        part: the policy.
        task: with its examples; what was kept of it before is replaced.
        count: how many observations.
    """
    inputs = task.sample(count, method.generator).observations
    answers = answers_with(part, part.parameters, inputs)
    for name, value in {_OBSERVATIONS: inputs, **answers._asdict()}.items():
        # A copy: a spread that no observation changes is a view of the parameter.
        copy = value.new_empty(value.shape).copy_(value)
        method.register_buffer(f"{name}_{task.number}", copy)


def kept_tasks(method: Method) -> list[int]:
    """Return the numbers of the tasks of which something is kept.

    Args:
        method: as for `keep_answers`.
    """
    names = [name for name, _ in method.named_buffers() if name.startswith(f"{_OBSERVATIONS}_")]
    return sorted(int(name.removeprefix(f"{_OBSERVATIONS}_")) for name in names)


def divergence_from_kept(
    method: Method,
    part: Part,
    tasks: Sequence[int],
    count: int,
    parameters_of: Callable[[int], Sequence[Tensor]],
) -> Tensor:
    """Return the mean KL divergence from what was answered, on a batch drawn of all rows alike.

    Args:
        method: as for `keep_answers`.
        part: the policy.
        tasks: those that are asked, at least one.
        count: rows in the batch.
        parameters_of: the policy's parameters in each of them.
    """
    sizes = [len(method.get_buffer(f"{_OBSERVATIONS}_{task}")) for task in tasks]
    drawn = torch.randint(sum(sizes), (count,), generator=method.generator)
    total = torch.zeros((), dtype=part.parameters[0].dtype)
    first = 0
    for task, size in zip(tasks, sizes, strict=True):
        rows = drawn[(drawn >= first) & (drawn < first + size)] - first
        first += size
        if not len(rows):
            continue
        inputs, *answers = (
            method.get_buffer(f"{name}_{task}")[rows] for name in (_OBSERVATIONS, *Answers._fields)
        )
        present = answers_with(part, parameters_of(task), inputs)
        share = len(rows) / count
        total = total + share * divergence(Answers(*answers), present, part.choices)
    return total
