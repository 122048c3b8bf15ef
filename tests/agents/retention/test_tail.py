from __future__ import annotations

from typing import Any

import pytest
import torch

from everlearn.agents.retention import TAIL, MultiHead
from everlearn.agents.retention.low_rank import adapted, adapter_gradient, draw_adapters
from everlearn.agents.retention.sub_networks import matrices, vectors

from .conftest import data


@pytest.mark.parametrize("heads", [True, False], ids=["multi-head", "one head"])
def test_old_answers_stay_to_the_last_bit(
    heads: bool, build_learner: Any, learn_task: Any, answers_in: Any
) -> None:
    learner = build_learner(*([MultiHead()] if heads else []), TAIL(rank=2))
    snapshots = []
    for task in range(3):
        snapshots.append(learn_task(learner, task))
        for earlier, snapshot in enumerate(snapshots):
            assert torch.equal(answers_in(learner, earlier), snapshot)
    assert not torch.equal(snapshots[0], snapshots[1])


def test_at_first_an_adapter_adds_nothing_and_then_it_alone_learns(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(TAIL(rank=2))
    (method,) = learner.methods
    learn_task(learner, 0)
    first = [parameter.detach().clone() for parameter in learner.part.parameters]
    base = [method.get_buffer(f"base_{place}").clone() for place in range(len(first))]
    learner.start_task(1)
    for own, parameter in zip(first, learner.part.parameters, strict=True):
        assert torch.equal(own, parameter)
    losses = [(learner.step(*data(1)) - data(1)[1]).square().mean().item() for _ in range(60)]
    assert losses[-1] < 0.9 * losses[0]
    for place, own in enumerate(base):
        assert torch.equal(method.get_buffer(f"base_{place}"), own)
    for place in vectors(learner.part):
        assert torch.equal(learner.part.parameters[place], first[place])
    for place in matrices(learner.part):
        change = learner.part.parameters[place] - base[place]
        assert torch.linalg.matrix_rank(change, tol=1e-4) <= 2


def test_a_256_by_256_matrix_has_a_sixteenth_of_its_weights() -> None:
    shapes = [torch.Size([256, 256])]
    assert len(draw_adapters(shapes, 8, None)) / 256**2 == 0.0625


def test_the_adapters_gradient_is_autograd_s() -> None:
    torch.manual_seed(0)
    base = [torch.randn(4, 3), torch.randn(2, 4)]
    flat = torch.randn(2 * (3 + 4) + 2 * (4 + 2)).requires_grad_()
    weights = adapted(flat, base, rank=2)
    pulls = [torch.randn(4, 3), torch.randn(2, 4)]
    loss = sum((weight * pull).sum() for weight, pull in zip(weights, pulls, strict=True))
    (wanted,) = torch.autograd.grad(torch.as_tensor(loss), flat)
    torch.testing.assert_close(adapter_gradient(flat.detach(), pulls, rank=2), wanted)


def test_a_pretrained_network_is_never_trained(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(TAIL(rank=2, pretrained=True))
    (method,) = learner.methods
    before = [parameter.detach().clone() for parameter in learner.part.parameters]
    learn_task(learner, 0)
    for place, own in enumerate(before):
        assert torch.equal(method.get_buffer(f"base_{place}"), own)
    assert not torch.equal(learner.part.parameters[0], before[0])


def test_a_task_that_comes_again_learns_on_from_its_adapter(
    build_learner: Any, learn_task: Any
) -> None:
    learner = build_learner(TAIL(rank=2))
    learn_task(learner, 0)
    first = learn_task(learner, 1)
    learn_task(learner, 2)
    learner.start_task(1)
    assert torch.equal(learner.network(data(1)[0]), first)
