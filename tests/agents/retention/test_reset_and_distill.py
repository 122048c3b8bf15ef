from __future__ import annotations

from typing import Any

import torch

from everlearn.agents.retention import MultiHead, ResetAndDistill

from .conftest import data


def distill(**own: Any) -> ResetAndDistill:
    return ResetAndDistill(memory_size=60, batch_size=32, **own)


def test_the_agent_s_own_networks_begin_each_task_anew(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(distill(distill_steps=0))
    learner.start_task(0)
    plain = build_learner()
    assert torch.equal(learner.part.parameters[0], plain.part.parameters[0])
    learned = learn_task(learner, 0)
    before = learner.part.parameters[0].detach().clone()
    learner.start_task(1)
    fresh = learner.part.parameters[0]
    assert not torch.equal(fresh, before)
    assert fresh.abs().max() <= 1 / 3**0.5
    assert not torch.equal(learner.network(data(0)[0]), learned)


def test_the_second_policy_answers_as_the_first_did(
    build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    # Without heads both tasks would ask other answers of the same observations.
    errors = []
    for steps in (0, 300):
        learner = build_learner(MultiHead(), distill(distill_steps=steps))
        snapshots = [learn_task(learner, task) for task in range(2)]
        learner.start_task(2)
        differences = [answers_in(learner, task) - snapshots[task] for task in range(2)]
        errors.append([difference.square().mean().item() for difference in differences])
    assert errors[1][0] < 0.3 * errors[0][0]
    # It had half as many steps (0.17 to 0.44 with four seeds).
    assert errors[1][1] < 0.6 * errors[0][1]


def test_the_present_task_is_acted_in_by_the_agent_s_own(
    build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    learner = build_learner(distill(distill_steps=1))
    learned = learn_task(learner, 0)
    assert torch.equal(answers_in(learner, 0), learned)
    learner.start_task(1)
    second = answers_in(learner, 0)
    own = learner.network(data(0)[0])
    assert not torch.equal(second, own)
