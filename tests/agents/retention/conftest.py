"""A network that learns small tasks, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents.retention import RetentionMethod
from everlearn.agents.supervised import SupervisedLearner

TASKS = 3


def data(task: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of a task."""
    generator = torch.Generator().manual_seed(task)
    return torch.randn(40, 3, generator=generator), torch.randn(40, 2, generator=generator)


def mean_squares(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    errors = outputs - targets
    return errors.square().mean(), errors * (2 / errors.numel())


@pytest.fixture
def build_learner() -> Callable[..., SupervisedLearner]:
    def build(*methods: RetentionMethod, norm: bool = True, seed: int = 0) -> SupervisedLearner:
        torch.manual_seed(seed)
        between: list[nn.Module] = [nn.LayerNorm(16)] if norm else []
        network = nn.Sequential(
            nn.Linear(3, 16), *between, nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)
        )
        return SupervisedLearner(network, methods, learning_rate=0.01, loss=mean_squares)

    return build


@pytest.fixture
def learn_task() -> Callable[..., Tensor]:
    """Learn a task to its end, and return what the network answers there then."""

    def learn(learner: SupervisedLearner, task: int, steps: int = 30) -> Tensor:
        inputs, targets = data(task)
        learner.start_task(task)
        for _ in range(steps):
            learner.step(inputs, targets)
        learner.end_task(inputs, targets, batch_size=16)
        return learner.network(inputs).detach()

    return learn


@pytest.fixture
def answers_in() -> Callable[..., Tensor]:
    def answer(learner: Any, task: int) -> Tensor:
        with learner.acting_for(task):
            return learner.network(data(task)[0]).detach()

    return answer
