"""One run of the plasticity probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..agents.diagnostics.units import dead_fraction
from ..agents.diagnostics.weights import weight_magnitude
from ..agents.layers import compute_features
from ..agents.method import Method
from ..agents.supervised import SupervisedLearner
from ..wrappers import info

if TYPE_CHECKING:
    from .probe_plasticity import ProbePlasticity


def begin(settings: ProbePlasticity, methods: Sequence[Method], seed: int) -> SupervisedLearner:
    """Build the network and its learner.

    Args:
        settings: the network's sizes and the learning rate.
        methods: what keeps it able to learn.
        seed: of the first weights and of the methods.

    Raises:
        SettingsError: a method does not fit.
    """
    sizes = [settings.inputs, *settings.hidden_sizes]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        modules: list[nn.Module] = []
        for before, after in pairwise(sizes):
            modules += [nn.Linear(before, after), nn.ReLU()]
        network = nn.Sequential(*modules, nn.Linear(sizes[-1], settings.classes))
        return SupervisedLearner(network, methods, settings.learning_rate, seed=seed)


def run(
    settings: ProbePlasticity,
    text: str,
    methods: Sequence[Method],
    seed: int,
    tell: Callable[[int], Any] = lambda count: None,
) -> dict[str, Any]:
    """Learn all tasks, one after the other.

    Args:
        settings: what to learn.
        text: what the methods are called.
        methods: what keeps the network able to learn.
        seed: where all randomness comes from; candidates of one seed learn the same tasks.
        tell: is told of each task that was learnt.

    Returns:
        A row of the record.
    """
    started = time.process_time()
    learner = begin(settings, methods, seed)
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(settings.examples, settings.inputs, generator=generator)
    accuracies: list[float] = []
    for task in range(settings.tasks):
        labels = torch.randint(settings.classes, (settings.examples,), generator=generator)
        accuracies.append(_learn(learner, inputs, labels, settings, generator))
        ends = task + 1 < settings.tasks
        told = {info.SEGMENT: task + 1, info.CHANGED: True, info.BOUNDARY: True}
        learner.end_iteration(told if ends and settings.tell_changes else None)
        tell(1)
    return {
        "methods": text,
        "seed": seed,
        "settings": {method.name: method.settings() for method in methods},
        "accuracies": accuracies,
        "dead": _dead(learner, inputs),
        "weight_magnitude": weight_magnitude([p for p in learner.part.parameters if p.ndim > 1]),
        "seconds": time.process_time() - started,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _learn(
    learner: SupervisedLearner,
    inputs: Tensor,
    labels: Tensor,
    settings: ProbePlasticity,
    generator: torch.Generator,
) -> float:
    """Learn one task, and return the mean accuracy before each gradient step."""
    right = 0
    made = 0
    while made < settings.updates:
        order = torch.randperm(len(inputs), generator=generator)
        shuffled = zip(
            inputs[order].split(settings.batch_size),
            labels[order].split(settings.batch_size),
            strict=True,
        )
        for batch, wanted in list(shuffled)[: settings.updates - made]:
            logits = learner.step(batch, wanted)
            right += int((logits.argmax(dim=1) == wanted).sum())
            made += 1
    return right / (made * settings.batch_size)


@torch.no_grad()
def _dead(learner: SupervisedLearner, inputs: Tensor) -> list[float]:
    """Return the share of units in each hidden layer that put out nothing for all inputs."""
    features = compute_features(learner.part.hidden, inputs)
    return [dead_fraction(units != 0, share=0.0) for units in features]
