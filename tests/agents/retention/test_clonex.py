from __future__ import annotations

from typing import Any

import pytest
import torch

from everlearn.agents.retention import ClonEx, MultiHead

from .conftest import data


def test_what_was_cloned_last_diverges_by_nothing(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(MultiHead(), ClonEx(coefficient=2.0, memory_size=30, batch_size=8))
    method = learner.methods[1]
    assert method.penalty(learner.part) is None
    learn_task(learner, 0)
    assert method.penalty(learner.part) is None
    learner.start_task(1)
    penalty = method.penalty(learner.part)
    assert penalty.item() == pytest.approx(0, abs=1e-10)
    with torch.no_grad():
        learner.part.parameters[4].mul_(1.5)
    assert method.penalty(learner.part).item() > 1e-3


def test_the_penalty_by_hand(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(ClonEx(coefficient=3.0, memory_size=25, batch_size=4000))
    (method,) = learner.methods
    learn_task(learner, 0)
    kept = method.observations_0.clone()
    first = learner.network(kept).detach()
    assert torch.equal(method.means_0, first)
    known = {tuple(row.tolist()) for row in data(0)[0]}
    assert all(tuple(row.tolist()) in known for row in kept)
    learner.start_task(1)
    learner.step(*data(1))
    # Standard deviations are 1: half the squared distance, summed over outputs.
    distance = 0.5 * (learner.network(kept) - first).square().sum(dim=1).mean()
    assert method.penalty(learner.part).item() == pytest.approx(3 * distance.item(), rel=0.1)


def test_gradients_reach_the_trunk_and_no_other_task_s_head(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(MultiHead(), ClonEx(memory_size=30, batch_size=8))
    learn_task(learner, 0)
    learner.start_task(1)
    learner.step(*data(1))
    total = learner.methods[1].penalty(learner.part)
    found = torch.autograd.grad(total, learner.part.parameters, allow_unused=True)
    assert [each is None for each in found] == [False] * (len(found) - 2) + [True, True]


def test_it_keeps_old_answers_and_draws_of_all_tasks(
    build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    drifts = []
    for coefficient in (0.0, 100.0):
        clone = ClonEx(coefficient=coefficient, memory_size=40, batch_size=32)
        learner = build_learner(MultiHead(), clone)
        snapshots = [learn_task(learner, task) for task in range(3)]
        drifts.append(
            [(answers_in(learner, t) - snapshots[t]).square().mean().item() for t in range(2)]
        )
    assert drifts[1][0] < 0.2 * drifts[0][0]
    assert drifts[1][1] < 0.2 * drifts[0][1]


def test_a_task_that_comes_again_is_not_cloned_while_it_learns(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(ClonEx(memory_size=5, batch_size=4))
    (method,) = learner.methods
    learn_task(learner, 0)
    learn_task(learner, 1)
    learner.start_task(0)
    method.get_buffer("means_0").fill_(100.0)
    assert method.penalty(learner.part).item() == 0
