from __future__ import annotations

from typing import Any

import pytest
import torch

from everlearn.agents.retention import WSN, MultiHead
from everlearn.agents.retention.sub_networks import matrices

from .conftest import data


@pytest.mark.parametrize("heads", [True, False], ids=["multi-head", "one head"])
def test_old_answers_stay_to_the_last_bit(
    heads: bool, build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    learner = build_learner(*([MultiHead()] if heads else []), WSN(share=0.4))
    snapshots = []
    for task in range(3):
        snapshots.append(learn_task(learner, task))
        for earlier, snapshot in enumerate(snapshots):
            assert torch.equal(answers_in(learner, earlier), snapshot)
    again = learn_task(learner, 0)
    assert heads or torch.equal(again, snapshots[0])
    assert torch.equal(answers_in(learner, 1), snapshots[1])
    assert not torch.equal(snapshots[0], snapshots[1])


def test_each_task_uses_its_share_of_each_layer(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(WSN(share=0.3))
    (method,) = learner.methods
    for task in range(2):
        learn_task(learner, task)
        for place in matrices(learner.part):
            mask = method.get_buffer(f"task_{task}_{place}")
            assert int(mask.sum()) == round(0.3 * mask.numel())
            shown = learner.part.parameters[place]
            assert not shown[~mask].any()


def test_used_weights_are_frozen_and_can_be_used_again(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(WSN(share=0.5))
    (method,) = learner.methods
    learn_task(learner, 0)
    before = {
        place: method.get_buffer(f"weight_{place}").clone() for place in matrices(learner.part)
    }
    learn_task(learner, 1)
    shared = 0
    for place, weight in before.items():
        first = method.get_buffer(f"task_0_{place}")
        assert torch.equal(method.get_buffer(f"weight_{place}")[first], weight[first])
        shared += int((first & method.get_buffer(f"task_1_{place}")).sum())
    assert shared > 0
    assert 0 < method.after_iteration()["continual/free_weights"] < 0.5


def test_a_score_moves_by_the_gradient_of_its_mask(build_learner: Any) -> None:
    learner = build_learner(WSN(share=0.5, score_rate=0.01))
    (method,) = learner.methods
    learner.start_task(0)
    place = matrices(learner.part)[0]
    weight = method.get_buffer(f"weight_{place}").clone()
    score = method.get_buffer(f"score_{place}").clone()
    inputs, targets = data(0)
    loss = (learner.network(inputs) - targets).square().mean()
    (gradient,) = torch.autograd.grad(loss, learner.part.parameters[place])
    learner.step(inputs, targets)
    # Adam's first step is as long as its rate, against the sign of the gradient.
    wanted = score - 0.01 * torch.sign(gradient * weight)
    moved = (gradient * weight).abs() > 1e-6
    found = method.get_buffer(f"score_{place}")
    torch.testing.assert_close(found[moved], wanted[moved], atol=1e-4, rtol=0)
    assert moved.float().mean() > 0.5


def test_with_all_weights_it_is_plain_learning(build_learner: Any) -> None:
    learner, plain = build_learner(WSN(share=1.0)), build_learner()
    for each in (learner, plain):
        each.start_task(0)
        for _ in range(3):
            each.step(*data(0))
    for own, other in zip(learner.part.parameters, plain.part.parameters, strict=True):
        torch.testing.assert_close(own, other)
