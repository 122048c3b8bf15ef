from __future__ import annotations

from typing import Any

import pytest
import torch

from everlearn.agents.retention import MAS, L2Previous, MultiHead, OnlineEWC
from everlearn.agents.retention.importance import answer_sensitivity, fisher_information

from .conftest import data


def build_method(kind: Any, coefficient: float) -> Any:
    """Return a method that measures by few observations."""
    few = {} if kind is L2Previous else {"observations": 64}
    return kind(coefficient=coefficient, **few)


def gradient(method: Any, part: Any) -> torch.Tensor:
    penalty = method.regularize(part.name, part.parameters)
    found = torch.autograd.grad(penalty, part.parameters)
    return torch.cat([each.reshape(-1) for each in found])


def flat(part: Any) -> torch.Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in part.parameters])


@pytest.mark.parametrize("kind", [L2Previous, OnlineEWC, MAS])
def test_the_penalty_is_a_weighed_distance(kind: Any, build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(build_method(kind, 3.0))
    (method,) = learner.methods
    assert method.regularize("network", learner.part.parameters).item() == 0
    learn_task(learner, 0)
    assert method.regularize("network", learner.part.parameters).item() == 0
    assert not gradient(method, learner.part).any()
    anchor = flat(learner.part)
    with torch.no_grad():
        for parameter in learner.part.parameters:
            parameter.add_(torch.randn_like(parameter))
    distance = flat(learner.part) - anchor
    importance = method.importance
    torch.testing.assert_close(gradient(method, learner.part), 2 * 3.0 * importance * distance)
    assert method.regularize("critic", learner.part.parameters) is None
    assert (importance > 0).any()


def test_importances_add_up_and_the_anchor_moves(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(L2Previous(coefficient=1e-3))
    (method,) = learner.methods
    for task in range(3):
        learn_task(learner, task)
        assert (method.importance == task + 1).all()
        assert torch.equal(method.anchor, flat(learner.part))


def test_earlier_fisher_information_fades(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(
        OnlineEWC(1e-4, decay=0.5, observations=640, smallest=0.0, stabilizer=0.0)
    )
    (method,) = learner.methods
    learn_task(learner, 0)
    first = method.importance.clone()
    learn_task(learner, 1)
    second = method.importance - 0.5 * first
    exact = fisher_information(learner.part, data(1)[0])
    wanted = torch.cat([each.reshape(-1) for each in exact])
    # Observations are drawn, 640 of 40.
    assert (second - wanted).norm() <= 0.2 * wanted.norm()


def test_the_smallest_information_holds_what_no_answer_depends_on(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(OnlineEWC(observations=16, smallest=0.25))
    learn_task(learner, 0)
    assert learner.methods[0].importance.min().item() == 0.25


def test_mas_measures_the_length_of_answers(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(MAS(coefficient=0.0001, observations=640))
    learn_task(learner, 0)
    exact = answer_sensitivity(learner.part, data(0)[0])
    wanted = torch.cat([each.reshape(-1) for each in exact])
    assert (learner.methods[0].importance - wanted).norm() <= 0.2 * wanted.norm()


def test_heads_of_tasks_are_not_held(build_learner: Any, learn_task: Any) -> None:
    for order in (lambda *each: each, lambda *each: each[::-1]):
        learner = build_learner(*order(MultiHead(), L2Previous()))
        learn_task(learner, 0)
        (method,) = [each for each in learner.methods if isinstance(each, L2Previous)]
        sizes = [parameter.numel() for parameter in learner.part.parameters]
        pieces = method.get_buffer("importance").split(sizes)
        held = [bool(piece.any()) for piece in pieces]
        assert held == [True] * (len(pieces) - 2) + [False, False]


@pytest.mark.parametrize("kind", [L2Previous, OnlineEWC, MAS])
def test_a_heavy_penalty_keeps_old_answers(
    kind: Any, build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    drifts = []
    for coefficient in (0.0, 1e4):
        learner = build_learner(MultiHead(), build_method(kind, coefficient))
        first = learn_task(learner, 0)
        learn_task(learner, 1)
        drifts.append((answers_in(learner, 0) - first).square().mean().item())
    assert drifts[1] < 0.1 * drifts[0]
