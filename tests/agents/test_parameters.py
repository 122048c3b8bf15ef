from __future__ import annotations

import copy

import torch
from torch import nn

from everlearn.agents.adam import CORRECTIONS, Adam
from everlearn.agents.flat_adam import AdamSettings
from everlearn.agents.parameters import FlatParameters


def make(elementwise: bool = True) -> tuple[list[nn.Parameter], Adam, FlatParameters]:
    parameters = [nn.Parameter(torch.ones(shape)) for shape in ((3, 2), (2,))]
    adam = Adam(parameters, 0.1)
    return parameters, adam, FlatParameters(parameters, adam, elementwise)


def step(flat: FlatParameters, seed: int) -> None:
    """Make a step as learners do, which tell Adam of their steps later."""
    flat.gradient.normal_(generator=torch.Generator().manual_seed(seed))
    flat.steps += 1
    adam = AdamSettings.of(flat.optimizer)
    weights = [1 - beta**flat.steps for beta in adam.betas]
    adam.step(flat.values, flat.memory, flat.gradient, 0.1, weights)


def step_alone(adam: Adam, parameters: list[nn.Parameter], seed: int) -> None:
    gradient = torch.randn(8, generator=torch.Generator().manual_seed(seed))
    parameters[0].grad, parameters[1].grad = gradient[:6].view(3, 2), gradient[6:]
    adam.step()


def test_elements_have_corrections_of_their_own_from_the_first_reset_on() -> None:
    parameters, adam, flat = make()
    alone = [nn.Parameter(torch.ones(shape)) for shape in ((3, 2), (2,))]
    wanted = Adam(alone, 0.1)
    for count in range(20):
        step(flat, count)
        step_alone(wanted, alone, count)
        assert (CORRECTIONS[0] in flat.memory) == (count >= 6)
        if count in (5, 12):
            adam.reset(parameters[0], 1)
            wanted.reset(alone[0], 1)
    for one, other in zip(parameters, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_a_reset_after_loading_is_of_what_was_loaded() -> None:
    parameters, adam, flat = make()
    others, loaded, other_flat = make()
    for count in range(4):
        step(flat, count)
    flat.count()
    for one, other in zip(parameters, others, strict=True):
        other.data.copy_(one)
    loaded.load_state_dict(copy.deepcopy(adam.state_dict()))
    for optimizer, members in ((adam, parameters), (loaded, others)):
        optimizer.reset(members[0], (slice(None), 0))
    assert other_flat.steps == 4
    for each in (flat, other_flat):
        step(each, 9)
    assert torch.equal(flat.values, other_flat.values)
    for name, value in flat.memory.items():
        assert torch.equal(value, other_flat.memory[name])


def test_where_single_elements_are_never_reset_they_have_none() -> None:
    _, _, flat = make(elementwise=False)
    step(flat, 0)
    flat.hold_corrections()
    assert flat.memory.keys() == {"exp_avg", "exp_avg_sq"}


def test_who_has_forgotten_all_has_no_corrections_of_elements() -> None:
    parameters, adam, flat = make()
    step(flat, 0)
    adam.reset(parameters[0], 1)
    adam.state.clear()
    flat.adopt()
    assert flat.steps == 0
    assert CORRECTIONS[0] not in flat.memory
    assert not flat.memory["exp_avg"].any()
