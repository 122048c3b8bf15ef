"""One run of the proving ground of retention."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..agents.method import Method
from ..agents.supervised import SupervisedLearner, squared_error
from ..envs.envpool_worlds import EnvPoolWorlds
from ..envs.metaworld_controllers import CONTROLLERS
from .prove_retention import TASKS

if TYPE_CHECKING:
    from .prove_retention import ProveRetention

INPUTS, ACTIONS, STEPS = 39, 4, 200
"""Numbers in an observation and in an action, and steps in an episode, of all tasks."""

SCALE = 10.0
"""What observations are multiplied by: they tell positions in metres, which hardly differ."""

_LOOKED_AT = 256
"""Examples of a task on which the drift of the outputs is measured."""


class Demonstrations(NamedTuple):
    """What is cloned of one task, and where trials of it begin.

    Attributes:
        observations: scaled, of shape (examples, 39).
        actions: the demonstrator's, of shape (examples, 4).
        seed: of the episodes in which the task is tried.
    """

    observations: Tensor
    actions: Tensor
    seed: int


def begin(settings: ProveRetention, methods: Sequence[Method], seed: int) -> SupervisedLearner:
    """Build the network and its learner.

    Args:
        settings: the network's sizes and the learning rate.
        methods: what keeps old tasks.
        seed: of the first weights and of the methods.

    Raises:
        SettingsError: a method does not fit.
    """
    sizes = [INPUTS, *settings.hidden_sizes]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        modules: list[nn.Module] = []
        for before, after in pairwise(sizes):
            modules += [nn.Linear(before, after), nn.ReLU()]
        network = nn.Sequential(*modules, nn.Linear(sizes[-1], ACTIONS))
        rate = settings.learning_rate
        return SupervisedLearner(network, methods, rate, squared_error, seed)


def demonstrate(settings: ProveRetention, seed: int) -> list[Demonstrations]:
    """Let the scripted controllers show every task.

    Args:
        settings: which tasks, how often, with how much noise.
        seed: of a run.
    """
    shown: list[Demonstrations] = []
    for number, task in enumerate(settings.tasks):
        seeds = [int(s) for s in np.random.SeedSequence([seed, number]).generate_state(3) >> 1]
        generator = np.random.default_rng(seeds[0])
        controller = CONTROLLERS[_world(task)]
        worlds = EnvPoolWorlds(_world(task), settings.demonstrations, num_threads=1)
        observations = worlds.reset(seed=seeds[1])[0]
        seen, done = [], []
        for _ in range(STEPS):
            actions = controller(observations)
            seen.append(SCALE * observations)
            done.append(actions)
            noise = settings.noise * generator.standard_normal(actions.shape)
            observations = worlds.step(np.clip(actions + noise, -1, 1))[0]
        worlds.close()
        states, answers = (
            torch.as_tensor(np.concatenate(each), dtype=torch.float32) for each in (seen, done)
        )
        shown.append(Demonstrations(states, answers, seeds[2]))
    return shown


def run(
    settings: ProveRetention,
    text: str,
    methods: Sequence[Method],
    seed: int,
    shown: Sequence[Demonstrations],
    tell: Callable[[int], Any] = lambda count: None,
) -> dict[str, Any]:
    """Learn all tasks, one after the other, and try what is left of them.

    Args:
        settings: what to learn.
        text: what the methods are called.
        methods: what keeps old tasks.
        seed: where all randomness comes from.
        shown: the seed's demonstrations.
        tell: is told of each task that was learnt.

    Returns:
        A row of the record: each task's success at its own end and at the end of all, and how far
        its outputs have moved in between.
    """
    started = time.process_time()
    learner = begin(settings, methods, seed)
    generator = torch.Generator().manual_seed(seed)
    learned: list[float] = []
    answers: list[Tensor] = []
    logged: dict[str, float] = {}
    for number, (task, data) in enumerate(zip(settings.tasks, shown, strict=True)):
        learner.start_task(number, TASKS[task])
        _learn(learner, data, settings, generator)
        learner.end_task(data.observations, data.actions, settings.batch_size)
        logged |= learner.end_iteration()
        learned.append(_try(learner, settings, number, data))
        answers.append(_answer(learner, number, data))
        tell(1)
    last = len(shown) - 1
    kept = [_try(learner, settings, number, shown[number]) for number in range(last)]
    drift = [
        (_answer(learner, number, data) - answers[number]).abs().max().item()
        for number, data in enumerate(shown)
    ]
    return {
        "methods": text,
        "seed": seed,
        "settings": {method.name: method.settings() for method in methods},
        "learned": learned,
        "kept": [*kept, learned[last]],
        "drift": drift,
        "logged": logged,
        "seconds": time.process_time() - started,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _world(task: str) -> str:
    return f"MetaWorld/{task}-v3"


def _learn(
    learner: SupervisedLearner,
    data: Demonstrations,
    settings: ProveRetention,
    generator: torch.Generator,
) -> None:
    for _ in range(settings.updates):
        rows = torch.randint(len(data.actions), (settings.batch_size,), generator=generator)
        learner.step(data.observations[rows], data.actions[rows])


@torch.no_grad()
def _answer(learner: SupervisedLearner, number: int, data: Demonstrations) -> Tensor:
    with learner.acting_for(number):
        outputs: Tensor = learner.network(data.observations[:_LOOKED_AT]).clone()
    return outputs


@torch.no_grad()
def _try(
    learner: SupervisedLearner, settings: ProveRetention, number: int, data: Demonstrations
) -> float:
    """Return the share of episodes of a task that succeed at any step."""
    copies = settings.episodes
    worlds = EnvPoolWorlds(_world(settings.tasks[number]), copies, num_threads=1)
    observations = worlds.reset(seed=data.seed)[0]
    succeeded = np.zeros(copies, dtype=bool)
    with learner.acting_for(number):
        for _ in range(STEPS):
            outputs = learner.network(torch.as_tensor(SCALE * observations, dtype=torch.float32))
            observations, _, _, _, info = worlds.step(outputs.clamp(-1, 1).numpy())
            succeeded |= info["success"].astype(bool) | info.get("success_any", False)
            if succeeded.all():
                break
    worlds.close()
    return float(succeeded.mean())
