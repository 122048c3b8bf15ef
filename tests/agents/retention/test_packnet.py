from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents.retention import MultiHead, PackNet
from everlearn.agents.retention.sub_networks import keep_largest, matrices, vectors


@pytest.mark.parametrize("heads", [True, False], ids=["multi-head", "one head"])
def test_old_answers_stay_to_the_last_bit(
    heads: bool, build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    methods = [MultiHead()] if heads else []
    learner = build_learner(*methods, PackNet(n_tasks=3, retrain_steps=5))
    snapshots: list[Tensor] = []
    for task in range(3):
        snapshots.append(learn_task(learner, task))
        for earlier, snapshot in enumerate(snapshots):
            assert torch.equal(answers_in(learner, earlier), snapshot)
    assert not torch.equal(snapshots[0], snapshots[1])
    assert not torch.equal(learner.network(torch.ones(1, 3)), torch.zeros(1, 2))


def test_each_task_gets_its_share(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(PackNet(n_tasks=3, retrain_steps=2))
    (method,) = learner.methods
    for task in range(3):
        learn_task(learner, task)
        for place in matrices(learner.part):
            owner = method.get_buffer(f"owner_{place}")
            for number in range(task + 1):
                mine = int((owner == number + 1).sum())
                assert abs(mine - owner.numel() / 3) <= 1
        assert method.free_share() == pytest.approx(1 - (task + 1) / 3, abs=0.02)
    assert method.free_share() == 0


def test_free_weights_are_pruned_to_zero_and_owned_ones_rest(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(PackNet(n_tasks=3, retrain_steps=2))
    (method,) = learner.methods
    learn_task(learner, 0)
    own = [parameter.detach().clone() for parameter in learner.part.parameters]
    owners = {
        place: method.get_buffer(f"owner_{place}").clone() for place in matrices(learner.part)
    }
    for place, owner in owners.items():
        assert (own[place][owner == 0] == 0).all()
    learn_task(learner, 1)
    for place, owner in owners.items():
        now = learner.part.parameters[place]
        assert torch.equal(now[owner == 1], own[place][owner == 1])
        assert (now[owner == 0] != 0).any()
    for place in vectors(learner.part):
        assert torch.equal(learner.part.parameters[place], own[place])


def test_the_largest_weights_are_kept() -> None:
    weights = torch.tensor([[4.0, -3.0, 2.0], [1.0, 9.0, 0.5]])
    among = torch.tensor([[True, True, True], [True, False, True]])
    kept = keep_largest(weights, among, 0.4)
    assert kept.tolist() == [[True, True, False], [False, False, False]]
    assert keep_largest(weights, among, 1.0).equal(among)
    assert not keep_largest(weights, among, 0.0).any()
    assert int(keep_largest(torch.zeros(10), torch.ones(10) > 0, 0.3).sum()) == 3


def test_a_task_that_comes_again_finds_its_weights(
    build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    learner = build_learner(PackNet(n_tasks=3, retrain_steps=2))
    first = learn_task(learner, 0)
    learn_task(learner, 1)
    again = learn_task(learner, 0)
    assert torch.equal(first, again)
    second = answers_in(learner, 1)
    third = learn_task(learner, 2)
    assert torch.equal(answers_in(learner, 0), first)
    assert torch.equal(answers_in(learner, 1), second)
    assert torch.equal(answers_in(learner, 2), third)


def test_whoever_comes_too_late_is_told(
    build_learner: Any, learn_task: Any, caplog: pytest.LogCaptureFixture
) -> None:
    learner = build_learner(PackNet(n_tasks=1, retrain_steps=0))
    learn_task(learner, 0)
    before = [parameter.detach().clone() for parameter in learner.part.parameters]
    assert not caplog.records
    learn_task(learner, 1)
    assert "no free weights are left for task 1, as n_tasks is 1" in caplog.text
    for parameter, kept in zip(learner.part.parameters, before, strict=True):
        assert torch.equal(parameter, kept)


def test_gradients_are_shortened_only_while_it_retrains(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(PackNet(n_tasks=2, retrain_steps=3, retrain_clip=0.5))
    (method,) = learner.methods
    lengths: list[tuple[bool, float]] = []
    change = method.change_gradients

    def watch(part: Any, gradients: Any) -> None:
        for gradient in gradients:
            gradient.fill_(1.0)
        change(part, gradients)
        length = torch.cat([gradient.reshape(-1) for gradient in gradients]).norm().item()
        lengths.append((bool(method.retraining), length))

    method.change_gradients = watch
    learn_task(learner, 0, steps=2)
    assert [during for during, _ in lengths] == [False, False, True, True, True]
    assert all(length == pytest.approx(0.5, rel=1e-5) for during, length in lengths if during)
    assert all(length > 1 for during, length in lengths if not during)


def test_an_optimizer_with_memory_and_decay_moves_nothing(
    build_learner: Callable[..., Any], learn_task: Any, answers_in: Any
) -> None:
    learner = build_learner(PackNet(n_tasks=2, retrain_steps=0))
    for group in learner.part.optimizer.param_groups:
        group["weight_decay"] = 0.1
    first = learn_task(learner, 0)
    kept = {p: dict(state) for p, state in learner.part.optimizer.state.items()}
    learner.start_task(1)
    learner.part.optimizer.state.update(kept)
    for _ in range(5):
        learner.step(torch.ones(4, 3), torch.ones(4, 2))
    assert torch.equal(answers_in(learner, 0), first)
    assert isinstance(learner.network, nn.Sequential)
