from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from everlearn.agents.plasticity.upgd import N_STRETCHES, UPGD

PUBLISHED = json.loads((Path(__file__).parents[2] / "data" / "upgd_steps.json").read_text())


def make(
    parameters: list[nn.Parameter], lr: float = 0.05, seed: int = 3, **settings: Any
) -> tuple[Any, UPGD]:
    method = UPGD(**settings)
    optimizer = method.optimizer(parameters, lr, {})
    method.attach([], seed)
    return optimizer, method


def tensors(values: list[Any]) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def give(parameters: list[nn.Parameter], gradients: list[Tensor]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()


def give_random(parameters: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    give(parameters, [torch.randn(p.shape, generator=generator) for p in parameters])


# The classes of core/optim have no factor of 2; without decay their bias corrections agree, too.
@pytest.mark.parametrize(
    ("published", "settings"),
    [
        ("UPGD", {"adaptive": False, "form": "released", "utility_decay": 0.9}),
        ("AdaptiveUPGD", {"form": "released", "utility_decay": 0.9}),
        ("FirstOrderLocalUPGD", {"adaptive": False, "scaling": "local", "utility_decay": 0.9}),
        ("FirstOrderNonprotectingGlobalUPGD", {"adaptive": False, "protecting": False}),
        ("FirstOrderGlobalUPGD, beta_utility 0", {"adaptive": False, "utility_decay": 0.0}),
    ],
)
def test_steps_are_those_of_the_published_classes(published: str, settings: dict[str, Any]) -> None:
    parameters = [nn.Parameter(value) for value in tensors(PUBLISHED["start"])]
    optimizer, _ = make(parameters, noise=0.0, weight_decay=0.1, **settings)
    wanted = PUBLISHED["cases"][published]
    for count, gradients in enumerate(PUBLISHED["gradients"], start=1):
        give(parameters, tensors(gradients))
        optimizer.step()
        if f"after {count}" in wanted:
            for parameter, value in zip(parameters, wanted[f"after {count}"], strict=True):
                torch.testing.assert_close(parameter.tolist(), value, rtol=1e-10, atol=1e-12)


def test_where_another_weight_is_the_most_useful_by_far_it_is_adam() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(20, 5, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    useful = nn.Parameter(torch.full((1,), 1e9))
    optimizer, _ = make([ours, useful], lr=1e-3, noise=0.0, form="released")
    adam = torch.optim.Adam([theirs], 1e-3, eps=1e-5)
    for step in range(50):
        gradient = torch.randn(20, 5, generator=torch.Generator().manual_seed(step))
        give([ours, useful], [gradient, torch.full((1,), -1e3)])
        give([theirs], [gradient])
        optimizer.step()
        adam.step()
    assert (ours - theirs).abs().max() < 1e-6
    assert (theirs - start).abs().max() > 1e-2


@pytest.mark.parametrize(("form", "factor"), [("paper", 1), ("released", 2)])
def test_noise_is_normal_and_new_in_each_step(form: Any, factor: int) -> None:
    weight = nn.Parameter(torch.zeros(30_000))
    optimizer, _ = make([weight], lr=0.1, noise=0.5, form=form)
    changes = []
    for _ in range(2 * N_STRETCHES // 8):
        give([weight], [torch.zeros(30_000)])
        before = weight.detach().clone()
        optimizer.step()
        changes.append(weight.detach() - before)
        weight.data.zero_()
    moved = torch.stack(changes)
    # At zero gradient no utility is known: 0 / 0 is guarded, and every s is 1/2.
    wanted = factor * 0.1 * 0.5 * 0.5
    assert moved.std().item() == pytest.approx(wanted, rel=0.01)
    assert abs(moved.mean().item()) < 1e-3
    assert (moved / moved.std()).pow(4).mean().item() == pytest.approx(3, abs=0.1)
    steps = torch.corrcoef(moved) - torch.eye(len(moved))
    assert steps.abs().max() < 0.06
    weights = torch.corrcoef(moved[:, :200].T) - torch.eye(200)
    assert abs(weights.mean().item()) < 0.01


def test_noise_is_drawn_anew_after_a_while() -> None:
    weight = nn.Parameter(torch.zeros(10))
    optimizer, _ = make([weight], noise=1.0)
    seeds = set()
    for _ in range(2 * N_STRETCHES + 1):
        give([weight], [torch.zeros(10)])
        optimizer.step()
        seeds.add(optimizer.param_groups[0]["noise_seed"])
    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("protecting", "wanted"),
    # Utilities 2, 0 and -2, the largest is 2: s is sigmoid(1), 1/2 and sigmoid(-1).
    [(True, [0.2689414, 0.0, 0.7310586]), (False, [1.0, 0.0, 1.0])],
)
def test_by_hand(protecting: bool, wanted: list[float]) -> None:
    weight = nn.Parameter(torch.tensor([-2.0, 5.0, 2.0]))
    optimizer, _ = make([weight], 1.0, noise=0.0, adaptive=False, protecting=protecting)
    give([weight], [torch.tensor([1.0, 0.0, 1.0])])
    optimizer.step()
    moved = torch.tensor([-2.0, 5.0, 2.0]) - weight.detach()
    torch.testing.assert_close(moved, torch.tensor(wanted))


def test_where_all_utilities_are_negative_nothing_is_protected() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0, 4.0]))
    optimizer, _ = make([weight], 0.5, noise=0.0, adaptive=False)
    give([weight], [torch.ones(3)])
    optimizer.step()
    torch.testing.assert_close(weight.data, torch.tensor([0.5, 1.5, 3.5]))


@pytest.mark.parametrize("settings", [{}, {"adaptive": False}, {"scaling": "local"}])
def test_it_resumes_in_the_middle_of_a_block(settings: dict[str, Any]) -> None:
    def fresh() -> list[nn.Parameter]:
        shapes: list[tuple[int, ...]] = [(4, 3), (4,), ()]
        return [nn.Parameter(torch.ones(shape)) for shape in shapes]

    whole, first = fresh(), fresh()
    straight, _ = make(whole, noise=0.1, **settings)
    stopped, method = make(first, noise=0.1, **settings)
    for step in range(10):
        for optimizer, parameters in ((straight, whole), (stopped, first)):
            give_random(parameters, step)
            optimizer.step()
    second = [nn.Parameter(parameter.detach().clone()) for parameter in first]
    resumed, again = make(second, seed=99, noise=0.1, **settings)
    resumed.load_state_dict(copy.deepcopy(stopped.state_dict()))
    again.load_state_dict(method.state_dict())
    for step in range(10, N_STRETCHES + 10):
        for optimizer, parameters in ((straight, whole), (resumed, second)):
            give_random(parameters, step)
            optimizer.step()
    for one, other in zip(whole, second, strict=True):
        assert torch.equal(one, other)


def test_reset_weights_step_as_new_ones() -> None:
    weight, bias = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(4))
    optimizer, _ = make([weight, bias], 0.1, noise=0.0)
    for step in range(30):
        give_random([weight, bias], step)
        optimizer.step()
    optimizer.reset(weight, 2)
    assert not any(optimizer.state[weight][key][2].any() for key in optimizer.state[weight])
    assert all(optimizer.state[weight][key][1].all() for key in optimizer.state[weight])
    weight.data[2] = 0.0
    give([weight, bias], [torch.full((4, 3), 0.3), torch.zeros(4)])
    optimizer.step()
    # No utility, for the weights are 0: half the rate, and Adam's first step.
    torch.testing.assert_close(weight.data[2], torch.full((3,), -0.05), rtol=1e-3, atol=0)


def test_weights_without_gradient_stay() -> None:
    still, moving = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    optimizer, _ = make([still, moving], noise=1.0)
    for _ in range(3):
        moving.grad = torch.ones(2)
        optimizer.step()
    assert torch.equal(still.data, torch.ones(3))
    assert not torch.equal(moving.data, torch.ones(2))
    give([still, moving], [torch.ones(3), torch.ones(2)])
    optimizer.step()
    assert not torch.equal(still.data, torch.ones(3))
