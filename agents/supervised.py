"""A bare network that learns from examples, with the methods of agents."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from ..wrappers.errors import SettingsError
from .flat_adam import AdamSettings
from .layers import Part, capture_features, gradients_of, hidden_layers
from .method import Method, may_reset_optimizer, overrides, refuse_replay, refuse_rollouts
from .networks import Chain, Gradients, NotPure, make_chain
from .optimizer import make_optimizer
from .parameters import FlatParameters
from .penalties import gather_penalties
from .policies import change_network
from .registry import describe_methods, rebuild_method
from .retention.retention_method import (
    RetentionMethod,
    acting_for,
    outputs_with,
    parameters_of,
)
from .retention.task import Examples, Task

Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From a network's outputs and the targets to a loss and its gradient in the outputs."""


def squared_error(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared error, and its gradient in the outputs.

    Args:
        outputs: of shape (batch, outputs).
        targets: of the same shape.

    Example:
        >>> squared_error(torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 1.0]]))
        (tensor(2.), tensor([[2., 0.]]))
    """
    errors = outputs - targets
    return errors.square().mean(), errors * (2 / errors.numel())


def cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy, and its gradient in the logits.

    Args:
        logits: of shape (batch, classes).
        labels: integers of shape (batch,).

    Example:
        >>> loss, gradient = cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
        >>> round(loss.item(), 4), gradient.tolist()
        (0.6931, [[0.5, -0.5]])
    """
    log_shares = torch.log_softmax(logits, dim=1)
    chosen = labels.unsqueeze(1)
    loss = -log_shares.gather(1, chosen).mean()
    gradient = log_shares.exp_().scatter_add_(1, chosen, -torch.ones_like(chosen).to(logits))
    return loss, gradient.div_(len(logits))


@final
class SupervisedLearner:
    """Trains an `nn.Sequential`, calling methods as an agent does.

    The methods see one part of the name "network" with all seams of an agent; the loss's
    gradient is not clipped.

    Args:
        network: modules from the inputs to a linear output; changed in place, as by the methods.
        methods: what keeps it able to learn; the learner uses its own copies.
        learning_rate: of Adam, or of the optimizer that a method brings.
        loss: what is to become small.
        seed: of the methods' randomness.

    Raises:
        SettingsError: a network without a linear output, or a method that does not fit.

    Example:
        >>> from everlearn.agents import ContinualBackprop
        >>> network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> learner = SupervisedLearner(network, [ContinualBackprop()], learning_rate=0.1)
        >>> inputs, labels = torch.eye(2), torch.tensor([0, 1])
        >>> for _ in range(20):
        ...     outputs = learner.step(inputs, labels)
        >>> outputs.argmax(dim=1)
        tensor([0, 1])
    """

    def __init__(
        self,
        network: nn.Sequential,
        methods: Iterable[Method] = (),
        learning_rate: float = 1e-3,
        loss: Loss = cross_entropy,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.methods = tuple(rebuild_method(spec) for spec in describe_methods(methods))
        refuse_replay(self.methods, "a network alone")
        refuse_rollouts(self.methods, "a network alone")
        change_network(network, self.methods)
        output = network[-1]
        if not isinstance(output, nn.Linear):
            raise SettingsError(f"methods need a linear output, not {type(output).__name__}")
        parameters = list(network.parameters())
        plain: Any = SimpleNamespace(optimizer_class=torch.optim.Adam, optimizer_kwargs={})
        optimizer = make_optimizer(self.methods, parameters, learning_rate, plain)
        hidden = hidden_layers(network[:-1], [output])
        self.part = Part("network", hidden, (output,), tuple(parameters), optimizer)
        if loss is cross_entropy:
            self.part.choices = (output.out_features,)
        self.steps = 0
        """Gradient steps made; methods that count environment steps count these."""
        self._loss, self._learning_rate = loss, learning_rate
        self._generator = torch.Generator().manual_seed(seed)
        self._task: Task | None = None
        self.retaining = [each for each in self.methods if isinstance(each, RetentionMethod)]
        """The methods that are told of tasks."""
        self.part.differentiate = self._differentiate
        self.part.parameters_of = partial(parameters_of, self.retaining, self.part)
        if self.methods:
            self.part.fresh = _draws_of(network)
        for index, method in enumerate(self.methods):
            sequence = np.random.SeedSequence([seed, index])
            method.attach([self.part], int(sequence.generate_state(1, np.uint64)[0] >> 1))
        self._acting = [method for method in self.methods if overrides(method, "after_step")]
        self._penalizing = [method for method in self.methods if overrides(method, "penalty")]
        self._changing = [m for m in self.methods if overrides(m, "change_gradients")]
        self._scheduling = [method for method in self.methods if overrides(method, "learning_rate")]
        self._watches = any(method.needs_features for method in self.methods)
        self._tracking = [method for method in self.methods if overrides(method, "track")]
        self._penalties = gather_penalties(self.methods, [self.part], parameters)
        self._fast = self._find_fast(parameters)
        if self._fast is None:
            for layer in hidden if self._watches else ():
                capture_features(layer)

    @torch.no_grad()
    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Make one gradient step.

        Args:
            inputs: of shape (batch, inputs).
            targets: as the loss wants them.

        Returns:
            The outputs before the step, of shape (batch, outputs).
        """
        self.part.batch = inputs
        self._set_learning_rate()
        step = self._step_by_torch if self._fast is None else self._step_flat
        outputs = step(inputs, targets)
        self.steps += 1
        for method in self._acting:
            method.after_step(self.part)
        return outputs

    def end_iteration(self, told: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Let the methods act after an iteration, however many steps that is.

        Args:
            told: what they are told of a change that comes now; None for nothing.

        Returns:
            What they have to tell, by tag.
        """
        logged: dict[str, float] = {}
        for method in self.methods:
            method.env_steps = self.steps
            logged |= method.after_iteration()
            if told is not None:
                method.on_change(told)
        return logged

    def start_task(self, number: int, description: str = "") -> None:
        """Begin a task of a sequence: the optimizer forgets all, and the methods are told.

        Args:
            number: which task, from 0.
            description: what is to be done, in words.
        """
        task = Task(number, description)
        self.part.optimizer.state.clear()
        if self._fast is not None:
            self._fast.flat.adopt()
        with torch.no_grad():
            for method in self.retaining:
                method.start_task(task, self._task)
        self._task = task

    def end_task(self, inputs: Tensor, targets: Tensor, batch_size: int) -> None:
        """End the task that was begun last: the methods are told, and may train on it.

        Args:
            inputs: all of the task's, of shape (examples, inputs).
            targets: theirs.
            batch_size: examples in each gradient step that a method asks for.
        """

        def sample(count: int, generator: torch.Generator | None) -> Examples:
            rows = torch.randint(len(inputs), (count,), generator=generator)
            return Examples(inputs[rows], targets[rows])

        def train(steps: int) -> None:
            for _ in range(steps):
                self.step(*sample(batch_size, self._generator))

        assert self._task is not None, "no task was begun"
        self._task = replace(self._task, sample=sample, train=train)
        with torch.no_grad():
            for method in self.retaining:
                method.end_task(self._task)

    def acting_for(self, number: int) -> AbstractContextManager[None]:
        """Let the network be what it is in a task, for as long as it is tried in it.

        Args:
            number: the task's.
        """
        return acting_for(self.retaining, [self.part], number)

    def _differentiate(self, examples: Examples) -> list[Tensor]:
        with torch.enable_grad():
            (outputs,) = outputs_with(self.part, self.part.parameters, examples.observations)
            pull = self._loss(outputs.detach(), examples.actions)[1]
        return list(torch.autograd.grad(outputs, self.part.parameters, pull, allow_unused=False))

    def _set_learning_rate(self) -> None:
        """Set the learning rate that the methods ask for."""
        rate = self._learning_rate
        for method in self._scheduling:
            rate = method.learning_rate(rate, self.steps)
        if self._scheduling:
            for group in self.part.optimizer.param_groups:
                group["lr"] = rate

    def _find_fast(self, parameters: Sequence[nn.Parameter]) -> _Fast | None:
        """Return the network as a function of flat parameters, or None where it is none."""
        if not all(parameter.requires_grad for parameter in parameters):
            return None
        try:
            chain = make_chain([self.network], parameters)
        except NotPure:
            return None
        flat = FlatParameters(parameters, self.part.optimizer, may_reset_optimizer(self.methods))
        if any(method.needs_gradients for method in self.methods):
            flat.expose_gradient()
        return _Fast(chain, flat)

    def _step_flat(self, inputs: Tensor, targets: Tensor) -> Tensor:
        assert self._fast is not None
        chain, flat = self._fast
        trace = chain.forward(flat.views, inputs)
        gradients: Gradients = {}
        chain.backward(flat.views, trace, self._loss(trace[-1], targets)[1], gradients)
        if self._watches:
            for layer, units in zip(self.part.hidden, chain.features(trace), strict=True):
                layer.features = units
        flat.gradient.copy_(flat.join(gradients[i] for i in range(len(flat.shapes))))
        if self._penalties:
            flat.gradient.add_(self._penalties.differentiate(flat.values)[0])
        if self._penalizing:
            with torch.enable_grad():
                total = self._penalize(self._penalizing)
            if total.requires_grad:
                found = torch.autograd.grad(total, flat.parameters, materialize_grads=True)
                flat.gradient.add_(flat.join(found))
        if self._changing:
            views = flat.split(flat.gradient)
            for method in self._changing:
                method.change_gradients(self.part, views)
        if flat.fused:
            flat.steps += 1
            adam = AdamSettings.of(flat.optimizer)
            corrections = [1 - beta**flat.steps for beta in adam.betas]
            rate = flat.optimizer.param_groups[0]["lr"]
            adam.step(flat.values, flat.memory, flat.gradient, rate, corrections)
        else:
            flat.optimizer.step()
        self._penalties.track(flat.values)
        return trace[-1]

    def _step_by_torch(self, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer = self.part.optimizer
        optimizer.zero_grad()
        with torch.enable_grad():
            outputs = self.network(inputs)
            outputs.backward(self._loss(outputs.detach(), targets)[1])
            total = self._penalize(self.methods)
            if total.requires_grad:
                total.backward()
        gradients = gradients_of(self.part) if self._changing else []
        for method in self._changing:
            method.change_gradients(self.part, gradients)
        optimizer.step()
        for method in self._tracking:
            method.track(self.part.name, self.part.parameters)
        return outputs.detach()

    def _penalize(self, methods: Iterable[Method]) -> Tensor:
        """Return the sum of what methods add to the loss."""
        found = [method.penalty(self.part) for method in methods]
        known = [penalty for penalty in found if penalty is not None]
        return torch.stack(known).sum() if known else torch.zeros(())


@final
class _Fast(NamedTuple):
    """A network as a function, and its parameters in one flat tensor."""

    chain: Chain
    flat: FlatParameters


def _draws_of(network: nn.Sequential) -> Callable[[int], list[Tensor]]:
    """Return what draws a network's parameters anew, each module's by its own law."""
    template = copy.deepcopy(network)

    def draw(seed: int) -> list[Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for module in template.modules():
                begin: Any = getattr(module, "reset_parameters", None)
                if begin is not None:
                    begin()
        return [parameter.detach().clone() for parameter in template.parameters()]

    return draw
