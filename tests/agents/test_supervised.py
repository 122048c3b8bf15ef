from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from everlearn.agents.layers import Part
from everlearn.agents.method import Method, needs_replay, needs_rollouts
from everlearn.agents.registry import make_method, method_names
from everlearn.agents.supervised import SupervisedLearner, cross_entropy, squared_error
from everlearn.wrappers.errors import SettingsError


def network(dtype: torch.dtype = torch.float64, extra: Sequence[nn.Module] = ()) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    made = nn.Sequential(
        nn.Linear(4, 16), nn.ReLU(), *extra, nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)
    ).to(dtype)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return made


def batches(count: int, dtype: torch.dtype = torch.float64) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(6, 4, generator=generator).to(dtype),
            torch.randint(3, (6,), generator=generator),
        )
        for _ in range(count)
    ]


def torch_steps(
    trained: nn.Sequential, count: int, penalty: float = 0.0, kind: Any = torch.optim.Adam
) -> list[Tensor]:
    """Train as a script of torch would."""
    optimizer = kind(trained.parameters(), lr=0.01)
    outputs = []
    for inputs, labels in batches(count):
        optimizer.zero_grad()
        outputs.append(trained(inputs))
        loss = nn.functional.cross_entropy(outputs[-1], labels)
        loss = loss + penalty * sum(p.square().sum() for p in trained.parameters())
        loss.backward()
        optimizer.step()
    return outputs


@dataclass(eq=False, repr=False)
class Penalty(Method):
    name = "penalty"

    def penalty(self, part: Part) -> Tensor:
        return 0.1 * torch.stack([p.square().sum() for p in part.parameters]).sum()


@dataclass(eq=False, repr=False)
class Descent(Method):
    name = "descent"

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=learning_rate)


@dataclass(eq=False, repr=False)
class Witness(Method):
    """Writes down what it is shown."""

    name = "witness"
    needs_features = True
    needs_gradients = True

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.told: list[Any] = []

    def after_step(self, part: Part) -> None:
        features = [units.features.clone() for units in part.units()]
        gradients = [p.grad.clone() for p in part.parameters if p.grad is not None]
        self.seen.append((part.recall().clone(), features, gradients))

    def after_iteration(self) -> dict[str, float]:
        self.told.append(self.env_steps)
        return {}

    def on_change(self, info: Mapping[str, Any]) -> None:
        self.told.append(dict(info))


@pytest.mark.parametrize(
    ("methods", "settings"),
    [([], {}), ([Penalty()], {"penalty": 0.1}), ([Descent()], {"kind": torch.optim.SGD})],
)
@pytest.mark.parametrize("extra", [[], [nn.Dropout(0.0)]])
def test_it_learns_as_torch_does(
    methods: list[Method], settings: dict[str, Any], extra: list[nn.Module]
) -> None:
    # Dropout can't be written as a function, so that autograd must help.
    plain, ours = network(extra=extra), network(extra=extra)
    wanted = torch_steps(plain, 20, **settings)
    learner = SupervisedLearner(ours, methods, learning_rate=0.01)
    assert (learner._fast is None) == bool(extra)
    for (inputs, labels), outputs in zip(batches(20), wanted, strict=True):
        torch.testing.assert_close(learner.step(inputs, labels), outputs.detach())
    for parameter, other in zip(plain.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(parameter, other)


def test_regularize_is_a_penalty_too() -> None:
    plain, ours = network(), network()
    torch_steps(plain, 10, penalty=0.05)
    learner = SupervisedLearner(ours, [make_method("l2", coefficient=0.05)], learning_rate=0.01)
    for inputs, labels in batches(10):
        learner.step(inputs, labels)
    for parameter, other in zip(plain.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(parameter, other)


@pytest.mark.parametrize("extra", [[], [nn.Dropout(0.0)]])
def test_methods_are_shown_batch_units_and_gradients(extra: list[nn.Module]) -> None:
    trained = network(extra=extra)
    before = copy.deepcopy(trained)
    learner = SupervisedLearner(trained, [Witness()], learning_rate=0.01)
    ((inputs, labels),) = batches(1)
    learner.step(inputs, labels)
    (witness,) = learner.methods
    assert isinstance(witness, Witness)
    ((batch, features, gradients),) = witness.seen
    torch.testing.assert_close(batch, inputs)
    torch.testing.assert_close(features[0], before[:2](inputs).detach())
    torch.testing.assert_close(features[1], before[:-1](inputs).detach())
    nn.functional.cross_entropy(before(inputs), labels).backward()
    for gradient, parameter in zip(gradients, before.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)
    learner.end_iteration()
    learner.end_iteration({"segment": 1})
    assert witness.told == [1, 1, {"segment": 1}]


def test_schedules_count_gradient_steps() -> None:
    schedule = make_method(
        "infinite-schedule", warmup_steps=4, cooldown_steps=0, constant=1.0, anneal_steps=1
    )
    learner = SupervisedLearner(network(), [schedule], learning_rate=0.1)
    rates = []
    for inputs, labels in batches(6):
        learner.step(inputs, labels)
        rates.append(learner.part.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1, 0.1])


def test_fresh_weights_follow_the_modules_own_law() -> None:
    learner = SupervisedLearner(network(), [Witness()])
    state = torch.get_rng_state()
    draw = learner.part.fresh
    assert draw is not None
    one, other, same = draw(1), draw(2), draw(1)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    # torch's law for four inputs: uniform from -1/2 to 1/2.
    assert 0.4 < one[0].abs().max() <= 0.5


MADE = {name: make_method(name) for name in method_names()}
REPLAYING = [name for name, method in MADE.items() if needs_replay(method)]
REPLAYING += [name for name, method in MADE.items() if needs_rollouts(method)]


@pytest.mark.parametrize("name", REPLAYING)
def test_what_needs_experience_is_refused(name: str) -> None:
    sentence = f"{name}' needs an agent that learns from (a replay buffer|rollouts)"
    with pytest.raises(SettingsError, match=sentence):
        SupervisedLearner(network(torch.float32), [make_method(name)])


@pytest.mark.parametrize("name", sorted({*method_names()} - {*REPLAYING}))
def test_every_method_can_be_probed(name: str) -> None:
    learner = SupervisedLearner(network(torch.float32), [make_method(name)])
    state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=False)
    for inputs, labels in batches(6, torch.float32):
        outputs = learner.step(inputs, labels)
        learner.end_iteration({"segment": 1, "changed": True})
    assert outputs.shape == (6, 3)
    assert bool(torch.isfinite(outputs).all())
    assert torch.equal(state, torch.get_rng_state())
    after = np.random.get_state(legacy=False)
    assert str(numpy_state) == str(after)


def test_a_network_without_a_linear_output_is_refused() -> None:
    with pytest.raises(SettingsError, match="methods need a linear output, not ReLU"):
        SupervisedLearner(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))


@pytest.mark.parametrize(
    ("loss", "theirs", "targets"),
    [
        (cross_entropy, nn.functional.cross_entropy, torch.tensor([0, 2, 2, 1])),
        (squared_error, nn.functional.mse_loss, torch.linspace(-1, 1, 12).view(4, 3)),
    ],
)
def test_losses_are_torch_s(loss: Any, theirs: Any, targets: Tensor) -> None:
    outputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    wanted = theirs(outputs, targets)
    wanted.backward()
    value, gradient = loss(outputs.detach(), targets)
    torch.testing.assert_close(value, wanted.detach())
    torch.testing.assert_close(gradient, outputs.grad)
