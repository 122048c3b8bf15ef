from __future__ import annotations

from typing import Any

import torch

from everlearn.agents.retention import L2M, MultiHead
from everlearn.agents.retention.l2m import similarity_gradient

from .conftest import data


def test_at_first_an_adapter_adds_nothing_and_the_network_is_frozen(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(L2M(pool_size=4, rank=2))
    (method,) = learner.methods
    learn_task(learner, 0)
    first = [parameter.detach().clone() for parameter in learner.part.parameters]
    learner.start_task(1)
    learner.step(*data(1))
    # The first step has chosen an adapter, which adds nothing yet.
    for own, parameter in zip(first, learner.part.parameters, strict=True):
        assert torch.equal(own, parameter)
    assert method.get_buffer("chosen") >= 0
    for _ in range(20):
        learner.step(*data(1))
    assert not torch.equal(learner.part.parameters[0], first[0])
    for place, own in enumerate(first):
        assert torch.equal(method.get_buffer(f"base_{place}"), own)


def test_two_kinds_of_observations_choose_two_keys(build_learner: Any) -> None:
    different = 0
    for seed in range(40):
        learner = build_learner()
        method = L2M(pool_size=30)
        method.attach([learner.part], seed)
        generator = torch.Generator().manual_seed(seed)
        centre = torch.randn(3, generator=generator)
        chosen = []
        for sign in (1, -1):
            batch = sign * 3 * centre + 0.1 * torch.randn(32, 3, generator=generator)
            chosen.append(method.select(batch))
        different += chosen[0] != chosen[1]
    assert different >= 0.95 * 40


def test_counts_spread_what_is_chosen(build_learner: Any) -> None:
    numbers = []
    for penalised in (True, False):
        learner = build_learner()
        method = L2M(pool_size=10, count_penalty=penalised)
        method.attach([learner.part], 0)
        batch = torch.ones(8, 3) + 0.1 * torch.randn(
            8, 3, generator=torch.Generator().manual_seed(1)
        )
        chosen = set()
        for _ in range(5):
            pick = method.select(batch)
            method.get_buffer("counts")[pick] += 100
            chosen.add(pick)
        numbers.append(len(chosen))
    assert numbers[0] > 1
    assert numbers[1] == 1


def test_keys_are_pulled_towards_queries() -> None:
    torch.manual_seed(0)
    key, query = torch.randn(5).requires_grad_(), torch.randn(5)
    similarity = torch.nn.functional.cosine_similarity(key, query, dim=0)
    (wanted,) = torch.autograd.grad(similarity, key)
    torch.testing.assert_close(similarity_gradient(key.detach(), query), wanted)


def test_a_task_is_acted_in_with_its_adapter(
    build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    learner = build_learner(MultiHead(), L2M(pool_size=30, rank=2))
    method = learner.methods[1]
    snapshots = [learn_task(learner, task) for task in range(3)]
    picks = [int(method.get_buffer(f"task_{task}")) for task in range(3)]
    assert picks[0] == -1
    assert torch.equal(answers_in(learner, 0), snapshots[0])
    assert picks[1] == picks[2] or torch.equal(answers_in(learner, 1), snapshots[1])
    assert torch.equal(answers_in(learner, 2), snapshots[2])
