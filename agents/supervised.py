"""A bare network that learns from examples, with the methods of agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, final

import torch
from torch import Tensor, nn

from ..wrappers.errors import SettingsError
from .flat_adam import AdamSettings
from .layers import Part, capture_features, hidden_layers
from .method import Method
from .networks import Chain, Gradients, NotPure, make_chain
from .optimizer import make_optimizer
from .parameters import FlatParameters
from .policies import change_network
from .registry import describe_method, rebuild_method

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
        self.methods = tuple(rebuild_method(describe_method(method)) for method in methods)
        change_network(network, self.methods)
        output = network[-1]
        if not isinstance(output, nn.Linear):
            raise SettingsError(f"methods need a linear output, not {type(output).__name__}")
        # What a method has frozen stays as it is.
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        plain: Any = SimpleNamespace(optimizer_class=torch.optim.Adam, optimizer_kwargs={})
        optimizer = make_optimizer(self.methods, parameters, learning_rate, plain)
        hidden = hidden_layers(network[:-1], [output])
        self.part = Part("network", hidden, (output,), tuple(parameters), optimizer)
        for index, method in enumerate(self.methods):
            method.attach([self.part], seed * len(self.methods) + index)
        self._loss = loss
        self._acting = [m for m in self.methods if type(m).after_step is not Method.after_step]
        self._watches = any(method.needs_features for method in self.methods)
        self._flat = FlatParameters(parameters, optimizer, elementwise=bool(self._acting))
        if any(method.needs_gradients for method in self.methods):
            self._flat.expose_gradient()
        self._chain: Chain | None = None
        try:
            self._chain = make_chain([network], parameters)
        except NotPure:
            for layer in hidden:
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
        flat = self._flat
        outputs, gradient = self._differentiate(inputs, targets)
        flat.gradient.copy_(gradient)
        self._add_penalties()
        if flat.fused:
            flat.steps += 1
            adam = AdamSettings.of(flat.optimizer)
            weights = [1 - beta**flat.steps for beta in adam.betas]
            rate = flat.optimizer.param_groups[0]["lr"]
            adam.step(flat.values, flat.memory, flat.gradient, rate, weights)
        else:
            flat.optimizer.step()
        for method in self._acting:
            method.after_step(self.part)
        return outputs

    def _differentiate(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs, and the loss's gradient in all parameters."""
        if self._chain is None:
            with torch.enable_grad():
                outputs = self.network(inputs)
                _, of_outputs = self._loss(outputs.detach(), targets)
                found = torch.autograd.grad(outputs, self._flat.parameters, of_outputs)
            return outputs.detach(), self._flat.join(found)
        trace = self._chain.forward(self._flat.views, inputs)
        _, of_outputs = self._loss(trace[-1], targets)
        gradients: Gradients = {}
        self._chain.backward(self._flat.views, trace, of_outputs, gradients)
        if self._watches:
            features = self._chain.features(trace)
            for layer, outputs in zip(self.part.hidden, features, strict=True):
                layer.features = outputs
        return trace[-1], self._flat.join(gradients[i] for i in range(len(self._flat.shapes)))

    def _add_penalties(self) -> None:
        with torch.enable_grad():
            penalties = [
                penalty
                for method in self.methods
                if (penalty := method.penalty(self.part)) is not None
            ]
            if not penalties:
                return
            total = torch.stack(penalties).sum()
            gradients = torch.autograd.grad(total, self._flat.parameters, allow_unused=True)
        for view, gradient in zip(self._flat.split(self._flat.gradient), gradients, strict=True):
            if gradient is not None:
                view.add_(gradient)
