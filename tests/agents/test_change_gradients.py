"""The seam between the gradient and the optimizer's step, in all agents and back ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from everlearn.agents import PPO, SAC
from everlearn.agents.layers import Part
from everlearn.agents.method import Method


@dataclass(eq=False, repr=False)
class HoldBiases(Method):
    """Leaves the biases of some parts where they are, and halves the other gradients."""

    name: ClassVar[str] = "hold-biases"

    of: str = "actor"
    """The part."""

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        assert [g.shape for g in gradients] == [p.shape for p in part.parameters]
        if part.name == self.of:
            for gradient in gradients:
                gradient.mul_(0.0 if gradient.ndim == 1 else 0.5)


def biases(agent: Any, name: str) -> list[Tensor]:
    (part,) = [part for part in agent.parts if part.name == name]
    return [p.detach().clone() for p in part.parameters if p.ndim == 1]


@pytest.mark.parametrize(("kind", "held"), [(PPO, "critic"), (SAC, "actor"), (SAC, "critic_1")])
@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_what_has_no_gradient_stays(
    kind: type, held: str, backend: str, build: Callable[..., Any]
) -> None:
    agent = build(kind, methods=[HoldBiases(of=held)], backend=backend)
    before = {part.name: biases(agent, part.name) for part in agent.parts}
    agent.learn(2 * 64)
    for name, old in before.items():
        same = [torch.equal(a, b) for a, b in zip(old, biases(agent, name), strict=True)]
        assert all(same) if name == held else not any(same)


def test_ppo_learns_the_same_in_all_back_ends(
    twins: Callable[..., Any], train_both: Callable[..., None]
) -> None:
    train_both(*twins("eager", methods=[HoldBiases()]))


def test_a_gradient_is_clipped_once(twins: Callable[..., Any]) -> None:
    pair = twins("eager", torch.float64, methods=[HoldBiases()])
    for agent in pair:
        np.random.seed(7)
        agent.train()
    wanted, got = (parameters_to_vector(agent.policy.parameters()) for agent in pair)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-13)


def test_sac_learns_the_same_in_all_back_ends(build: Callable[..., Any]) -> None:
    reference, eager = (
        build(SAC, methods=[HoldBiases()], backend=backend).learn(2 * 64)
        for backend in ("reference", "eager")
    )
    wanted = parameters_to_vector(reference.policy.parameters())
    got = parameters_to_vector(eager.policy.parameters())
    assert (wanted - got).norm() <= 1e-5 * wanted.norm()
