"""A method that is told of tasks, and how an agent acts in an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..layers import Part, walk
from ..method import Method
from .task import Task


class RetentionMethod(Method):
    """Something that keeps what was learned in earlier tasks: abstract base.

    See `everlearn.agents.retention` for when what is called.
    """

    def keeps(self) -> frozenset[str]:
        """Return what an agent does not begin anew at a task, though it does by default.

        Returns:
            Any of "replay", "optimizer" and "temperature".
        """
        return frozenset()

    def renews(self) -> frozenset[str]:
        """Return what an agent begins anew at a task, though by default it does not.

        Returns:
            Nothing, or "critics": all but the policy, with the target networks.
        """
        return frozenset()

    def exploration(self) -> Literal["uniform", "previous"]:
        """Return how an off-policy agent fills its empty replay buffer at a task but the first.

        Returns:
            By uniformly random actions, or at each step by those of an earlier task drawn anew.
        """
        return "uniform"

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Act before the first step of a task; gradients are off.

        Args:
            task: which has no examples yet.
            previous: the task that has just ended, with its examples; None at the beginning.
        """

    def end_task(self, task: Task) -> None:
        """Act after the last step of a task; gradients are off.

        Args:
            task: with its examples.
        """

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the parameters with which a network acts in a task.

        Args:
            part: the network.
            task: its number. One that never began is acted in as the present one is.
            parameters: what they would be without this method, in the order of `part.parameters`.
        """
        return parameters

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # With each task there is more to remember, which a newly built method has no room for yet.
        saved = {
            key.removeprefix(prefix): value
            for key, value in state_dict.items()
            if key.startswith(prefix) and "." not in key.removeprefix(prefix)
        }
        saved.pop("_extra_state", None)
        for name in [name for name in self._buffers if name not in saved]:
            del self._buffers[name]
        for name, value in saved.items():
            own = self._buffers.get(name)
            if own is None or own.shape != value.shape or own.dtype != value.dtype:
                self.register_buffer(name, torch.empty_like(value))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def is_policy(part: Part) -> bool:
    """Say whether a network chooses actions: an actor, or a bare network.

    Args:
        part: the network.
    """
    return part.name in ("actor", "network")


def parameters_of(methods: Iterable[Method], part: Part, task: int) -> Sequence[Tensor]:
    """Return the parameters with which a network acts in a task, as all methods have it.

    Args:
        methods: the agent's, of which those that retain are asked in their order.
        part: the network.
        task: its number.
    """
    parameters: Sequence[Tensor] = part.parameters
    for method in methods:
        if isinstance(method, RetentionMethod):
            parameters = method.parameters_for(part, task, parameters)
    return parameters


@contextmanager
def acting_for(methods: Sequence[Method], parts: Iterable[Part], task: int) -> Iterator[None]:
    """Let networks be what they are in a task, and afterwards bit for bit what they were.

    Args:
        methods: the agent's.
        parts: its networks.
        task: its number.
    """
    kept: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for part in parts:
            wanted = parameters_of(methods, part, task)
            for parameter, other in zip(part.parameters, wanted, strict=True):
                if other is not parameter:
                    kept.append((parameter, parameter.detach().clone()))
                    parameter.copy_(other)
    try:
        yield
    finally:
        with torch.no_grad():
            for changed, own in kept:
                changed.copy_(own)


def outputs_with(part: Part, parameters: Sequence[Tensor], inputs: Tensor) -> list[Tensor]:
    """Return what a network answers with other parameters than its own.

    It can be differentiated in the parameters and the inputs. Modules do what they do in
    evaluation, and nothing is kept of the inputs as if they were a training batch.

    Args:
        part: the network.
        parameters: in the order of `part.parameters`.
        inputs: of shape (batch, inputs).

    Returns:
        The outputs of each output layer, of shape (batch, outputs): of SAC's actor the means and
        the logarithms of the standard deviations.

    Example:
        >>> from everlearn.agents.layers import hidden_layers
        >>> body, head = nn.Sequential(nn.Linear(3, 8), nn.ReLU()), nn.Linear(8, 2)
        >>> own = (*body.parameters(), *head.parameters())
        >>> part = Part("actor", hidden_layers(body, [head]), (head,), own, torch.optim.Adam(own))
        >>> zeros = [torch.zeros_like(parameter) for parameter in own]
        >>> outputs_with(part, zeros, torch.ones(1, 3))[0].tolist()
        [[0.0, 0.0]]
    """
    given = {id(own): other for own, other in zip(part.parameters, parameters, strict=True)}

    def evaluate(module: nn.Module, inputs: Tensor) -> Tensor:
        training = module.training
        own = {name: given[id(parameter)] for name, parameter in module.named_parameters()}
        outputs: Tensor = functional_call(module.eval(), own, (inputs,))
        module.train(training)
        return outputs

    last = [inputs, *walk(part.hidden, inputs, evaluate)][-1]
    return [evaluate(output, last) for output in part.output]
