from __future__ import annotations

import numpy as np
import torch

from everlearn.agents.secbad import ContextInference
from everlearn.agents.secbad.networks import ContextNetworks, Moments

SMALL = ContextInference(hidden_size=6, latent_size=2, decoder_size=5, n_samples=3)


def test_moments_are_those_of_all_rows() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (50, 4))).float()
    rows[:, 3] = 7.0
    moments = Moments(4)
    for part in rows.split([1, 19, 30]):
        moments.add(part)
    expected = (rows - rows.mean(dim=0)) / rows.std(dim=0, correction=0)
    torch.testing.assert_close(moments.scale(rows)[:, :3], expected[:, :3], rtol=1e-4, atol=1e-4)
    assert moments.scale(rows)[:, 3].abs().max() < 1e-2
    assert moments.scale(rows + 100).max() == 10


def test_encoders_of_many_ages_step_as_the_one_that_is_trained() -> None:
    networks = ContextNetworks(3, 2, SMALL, seed=0)
    steps = torch.randn(5, 2, networks.n_step)
    hidden = torch.zeros(2, 4, 6)
    for step in steps:
        hidden = networks.advance(hidden, step)
    expected = networks.encoder(steps)[0][-1]
    torch.testing.assert_close(hidden, expected[:, None].expand(2, 4, 6))


def test_predictions_are_of_reward_and_change_by_observation_and_action() -> None:
    for predict, columns in (("both", [5, 6, 7, 8]), ("state", [5, 6, 7]), ("reward", [8])):
        settings = ContextInference(predict=predict)  # type: ignore[arg-type]
        networks = ContextNetworks(3, 2, settings, seed=0)
        steps = torch.randn(4, networks.n_step)
        torch.testing.assert_close(networks.target(steps), steps[:, columns])
        other = steps.clone()
        other[:, 5:] = 0
        latents = torch.randn(4, 5)
        torch.testing.assert_close(networks.decode(latents, steps), networks.decode(latents, other))
        assert networks.decode(latents, steps).shape == (4, len(columns))


def test_the_seed_alone_decides_the_weights() -> None:
    before = torch.get_rng_state()
    one, same, other = (ContextNetworks(3, 2, SMALL, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one["encoder.weight_ih_l0"], other["encoder.weight_ih_l0"])
    assert not torch.equal(one["points"], other["points"])


def test_deviations_follow_late_errors_or_are_one() -> None:
    networks = ContextNetworks(3, 2, ContextInference(noise="unit"), seed=0)
    networks.note_errors(torch.full((4,), 9.0))
    assert not networks.log_deviations().any()
    learned = ContextNetworks(3, 2, ContextInference(), seed=0)
    assert not learned.log_deviations().any()
    for _ in range(300):
        learned.note_errors(torch.tensor([0.0, 0.01, 1.0, 4.0]))
    expected = torch.tensor([0.05, 0.1, 1.0, 2.0])
    torch.testing.assert_close(learned.log_deviations().exp(), expected, rtol=1e-4, atol=0)
