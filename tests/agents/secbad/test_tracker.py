from __future__ import annotations

from typing import Any

import pytest
import torch

from everlearn.agents.secbad import ContextInference
from everlearn.agents.secbad.losses import log_likelihood
from everlearn.agents.secbad.networks import ContextNetworks
from everlearn.agents.secbad.tracker import Inferred, begin_again, first_belief, infer, likelihoods

SIZES: dict[str, Any] = {"hidden_size": 6, "latent_size": 2, "decoder_size": 5, "n_samples": 4}


def make(kind: str = "secbad", **settings: Any) -> ContextNetworks:
    law = {"segment_mean": 6.0, "segment_deviation": 2.0, "segment_minimum": 2}
    return ContextNetworks(3, 2, ContextInference(kind=kind, **law, **SIZES, **settings), seed=0)  # type: ignore[arg-type]


def track(networks: ContextNetworks, steps: torch.Tensor) -> list[Inferred]:
    belief, found = first_belief(networks, steps.shape[1]), []
    with torch.no_grad():
        for step in steps:
            belief, inferred = infer(networks, belief, step)
            found.append(inferred)
    return found


@pytest.fixture
def steps() -> torch.Tensor:
    return torch.randn(15, 3, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("kind", "length"), [("varibad", 15), ("window", 4)])
def test_without_changes_the_belief_is_the_encoder_s(
    kind: str, length: int, steps: torch.Tensor
) -> None:
    networks = make(kind, window=4)
    for step, found in enumerate(track(networks, steps)):
        seen = steps[max(step + 1 - length, 0) : step + 1]
        mean, log_variance = networks.read(networks.encoder(seen)[0][-1])
        torch.testing.assert_close(found.mean, mean)
        torch.testing.assert_close(found.log_variance, log_variance)


def test_every_age_has_an_encoder_of_its_own(steps: torch.Tensor) -> None:
    networks = make(belief="most-likely")
    for step, found in enumerate(track(networks, steps)):
        torch.testing.assert_close(found.log_ages.exp().sum(dim=1), torch.ones(3))
        for copy, age in enumerate((found.log_ages.argmax(dim=1) + 1).tolist()):
            assert age <= min(step + 1, 10)
            seen = steps[step + 1 - age : step + 1, copy : copy + 1]
            mean, _ = networks.read(networks.encoder(seen)[0][-1])
            torch.testing.assert_close(found.mean[copy], mean[0])


def test_likelihoods_average_over_contexts_of_each_age(steps: torch.Tensor) -> None:
    networks = make()
    hidden = torch.randn(3, 10, 6, generator=torch.Generator().manual_seed(1))
    found = likelihoods(networks, hidden, steps[0])
    for age in (0, 4):
        mean, log_variance = networks.read(hidden[:, age])
        if age == 0:
            mean, log_variance = torch.zeros_like(mean), torch.zeros_like(mean)
        each = []
        for point in networks.points:
            latent = mean + torch.exp(0.5 * log_variance) * point
            prediction = networks.decode(latent, steps[0])
            target = networks.target(steps[0])
            each.append(log_likelihood(prediction, target, networks.log_deviations()).exp())
        torch.testing.assert_close(found[:, age].exp(), torch.stack(each).mean(dim=0))


def test_copies_together_are_copies_alone(steps: torch.Tensor) -> None:
    networks = make()
    together = track(networks, steps)[-1]
    alone = track(networks, steps[:, 1:2])[-1]
    for joint, one in zip(together, alone, strict=True):
        torch.testing.assert_close(joint[1:2], one)


def test_a_copy_that_begins_again_knows_nothing(steps: torch.Tensor) -> None:
    networks = make()
    belief = first_belief(networks, 3)
    for step in steps[:5]:
        belief, _ = infer(networks, belief, step)
    again = begin_again(belief, torch.tensor([False, True, False]))
    fresh = first_belief(networks, 3)
    for mine, before, first in zip(again, belief, fresh, strict=True):
        assert torch.equal(mine[1], first[1])
        assert torch.equal(mine[::2], before[::2])
