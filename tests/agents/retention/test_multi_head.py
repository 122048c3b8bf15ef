from __future__ import annotations

from typing import Any

import torch

from everlearn.agents.retention import MultiHead

from .conftest import data


def test_each_task_has_its_head_over_one_trunk(
    build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    learner = build_learner(MultiHead())
    learn_task(learner, 0)
    heads = [parameter.detach().clone() for parameter in learner.part.parameters[-2:]]
    learn_task(learner, 1)
    others = [parameter.detach().clone() for parameter in learner.part.parameters]
    assert not torch.equal(others[-2], heads[0])
    with learner.acting_for(0):
        now = list(learner.part.parameters)
        assert all(torch.equal(one, two) for one, two in zip(now[-2:], heads, strict=True))
        assert all(torch.equal(one, two) for one, two in zip(now[:-2], others[:-2], strict=True))
    assert torch.equal(learner.part.parameters[-2], others[-2])
    learner.start_task(0)
    assert torch.equal(learner.part.parameters[-2], heads[0])
    assert torch.equal(answers_in(learner, 1), _with(learner, others[-2:], data(1)[0]))


def _with(learner: Any, head: list[torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    units = learner.network[:-1](inputs)
    return torch.nn.functional.linear(units, *head).detach()


def test_the_first_task_s_head_is_the_network_s_own(build_learner: Any) -> None:
    learner, plain = build_learner(MultiHead()), build_learner()
    learner.start_task(0)
    assert torch.equal(learner.part.parameters[-2], plain.part.parameters[-2])


def test_new_heads_are_drawn_by_the_network_s_law(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(MultiHead())
    heads = []
    for task in range(3):
        learner.start_task(task)
        heads.append(learner.part.parameters[-2].detach().clone())
        learner.end_task(*data(task), batch_size=4)
    bound = 1 / 16**0.5
    assert all(head.abs().max() <= bound for head in heads)
    assert not torch.equal(heads[1], heads[2])
