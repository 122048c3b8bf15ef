"""What every retention method is told, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents.layers import Part
from everlearn.agents.plasticity import L2
from everlearn.agents.retention.retention_method import (
    RetentionMethod,
    is_policy,
    outputs_with,
    parameters_of,
)
from everlearn.agents.retention.task import Task
from everlearn.agents.supervised import SupervisedLearner, squared_error

INPUTS, TARGETS = torch.eye(3), torch.tensor([[1.0], [0.0], [-1.0]])


@dataclass(eq=False, repr=False)
class Diary(RetentionMethod):
    """Writes down what it is told, halves the gradient, and keeps a snapshot of each task."""

    name: ClassVar[str] = "diary"
    needs_features: ClassVar[bool] = False

    retraining: int = 0
    """Gradient steps at a task's end."""

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.lines: list[str] = []

    def start_task(self, task: Task, previous: Task | None) -> None:
        before = None if previous is None else previous.number
        self.lines.append(f"start {task.number} after {before}: {task.description}")

    def end_task(self, task: Task) -> None:
        self.lines.append(f"end {task.number} with {len(task.sample(5, self.generator).actions)}")
        task.train(self.retraining)
        for place, parameter in enumerate(self.part.parameters):
            self.register_buffer(f"task_{task.number}_{place}", parameter.detach().clone())

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        self.part = part
        self.lines.append("step")
        for gradient in gradients:
            gradient.mul_(0.5)

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        kept = [self._buffers.get(f"task_{task}_{i}") for i in range(len(parameters))]
        return [
            own if other is None else other for own, other in zip(parameters, kept, strict=True)
        ]


@dataclass(eq=False, repr=False)
class WatchedDiary(Diary):
    """Its features are kept by hooks, which the fast update can't have."""

    name: ClassVar[str] = "watched-diary"

    def network(self, policy: nn.Module) -> None:
        assert isinstance(policy, nn.Sequential)
        policy[0].register_forward_pre_hook(lambda module, inputs: None)


def learner(*methods: RetentionMethod) -> SupervisedLearner:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    return SupervisedLearner(network, methods, learning_rate=0.1, loss=squared_error)


def learn(learner: SupervisedLearner, task: int, targets: Tensor) -> None:
    learner.start_task(task, f"task {task}")
    for _ in range(3):
        learner.step(INPUTS, targets)
    learner.end_task(INPUTS, targets, batch_size=2)


@pytest.mark.parametrize("kind", [Diary, WatchedDiary])
def test_methods_are_told_of_tasks_in_order(kind: type[Diary]) -> None:
    own = learner(kind(retraining=2))
    learn(own, 0, TARGETS)
    learn(own, 1, -TARGETS)
    (diary,) = own.retaining
    assert isinstance(diary, Diary)
    assert diary.lines == [
        *("start 0 after None: task 0", *["step"] * 3, "end 0 with 5", *["step"] * 2),
        *("start 1 after 0: task 1", *["step"] * 3, "end 1 with 5", *["step"] * 2),
    ]


@pytest.mark.parametrize("kind", [Diary, WatchedDiary])
def test_an_earlier_task_is_acted_in_as_it_was_and_nothing_stays_of_it(kind: type[Diary]) -> None:
    own = learner(kind())
    learn(own, 0, TARGETS)
    first = own.network(INPUTS)
    learn(own, 1, -TARGETS)
    second = own.network(INPUTS)
    assert not torch.equal(first, second)
    with own.acting_for(0):
        assert torch.equal(own.network(INPUTS), first)
    with own.acting_for(7):
        assert torch.equal(own.network(INPUTS), second)
    assert torch.equal(own.network(INPUTS), second)
    (outputs,) = outputs_with(own.part, parameters_of(own.methods, own.part, 0), INPUTS)
    assert torch.equal(outputs, first)


def test_a_new_task_finds_an_optimizer_without_memory() -> None:
    own, other = learner(Diary()), learner(Diary())
    learn(own, 0, TARGETS)
    other.network.load_state_dict(own.network.state_dict())
    for each in (own, other):
        each.start_task(1)
        each.step(INPUTS, -TARGETS)
    for one, two in zip(own.part.parameters, other.part.parameters, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("kind", [Diary, WatchedDiary])
def test_gradients_are_changed_before_the_step(kind: type[Diary]) -> None:
    """By SGD: Adam's first step is the same for all multiples of a gradient, but for epsilon."""
    own, plain = learner(kind()), learner()
    for each in (own, plain):
        each.part.optimizer = torch.optim.SGD(each.part.parameters, lr=1.0)
        if each._fast is not None:
            each._fast.flat.optimizer, each._fast.flat.fused = each.part.optimizer, False
            each._fast.flat.adopt()
    before = [parameter.detach().clone() for parameter in own.part.parameters]
    for each in (own, plain):
        each.step(INPUTS, TARGETS)
    pairs = zip(before, own.part.parameters, plain.part.parameters, strict=True)
    for begin, halved, whole in pairs:
        torch.testing.assert_close(halved - begin, (whole - begin) / 2)
    assert (before[0] != plain.part.parameters[0]).any()


def test_the_gradient_at_examples_is_that_of_the_loss() -> None:
    own = learner()
    assert own.part.differentiate is not None
    task = Task(0)
    with pytest.raises(RuntimeError, match="no examples"):
        task.sample(1, None)
    with pytest.raises(RuntimeError, match="only where it ends"):
        task.train(1)
    own.start_task(0)
    own.end_task(INPUTS, TARGETS, batch_size=3)
    assert own._task is not None
    examples = own._task.sample(6, torch.Generator().manual_seed(0))
    found = own.part.differentiate(examples)
    loss = (own.network(examples.observations) - examples.actions).square().mean()
    wanted = torch.autograd.grad(loss, own.part.parameters)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_what_was_remembered_of_many_tasks_comes_back() -> None:
    first, second = learner(Diary()), learner(Diary())
    learn(first, 0, TARGETS)
    learn(first, 1, -TARGETS)
    state = nn.ModuleList(first.methods).state_dict()
    nn.ModuleList(second.methods).load_state_dict(state)
    again = nn.ModuleList(second.methods).state_dict()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[key], again[key]) for key in state)
    fresh = nn.ModuleList(learner(Diary()).methods).state_dict()
    nn.ModuleList(second.methods).load_state_dict(fresh)
    assert nn.ModuleList(second.methods).state_dict().keys() == fresh.keys()


def test_only_actors_are_policies() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight])
    names = ["actor", "network", "critic_0", "critic"]
    assert [is_policy(Part(name, (), (), (weight,), optimizer)) for name in names] == [
        *(True, True, False, False)
    ]


def test_methods_that_know_no_tasks_are_not_told() -> None:
    torch.manual_seed(0)
    own = SupervisedLearner(nn.Sequential(nn.Linear(3, 1)), [L2()], loss=squared_error)
    learn(own, 0, TARGETS)
    with own.acting_for(0):
        pass
    assert own.retaining == []
