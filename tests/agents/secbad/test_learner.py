from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from everlearn.agents.secbad import ContextInference
from everlearn.agents.secbad.learner import ContextLearner, variational_losses
from everlearn.agents.secbad.losses import chain_divergence, log_likelihood
from everlearn.agents.secbad.networks import ContextNetworks
from everlearn.agents.secbad.tracker import first_belief, infer

SETTINGS: dict[str, Any] = {
    "hidden_size": 16,
    "latent_size": 1,
    "decoder_size": 16,
    "segment_mean": 20.0,
    "segment_deviation": 5.0,
    "learning_rate": 1e-2,
    "train_every": 64,
    "updates": 4,
    "window": 8,
}


def live(n_steps: int, n_copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return steps of a world in which an action's effect swaps every 20 steps, and beginnings."""
    rng = np.random.default_rng(seed)
    times = np.arange(n_steps)[:, None] + 7 * np.arange(n_copies)
    effect = np.where(times // 20 % 2 == 0, 1.0, -1.0)
    observed = rng.normal(size=(n_steps, n_copies))
    action = rng.choice([-1.0, 1.0], size=(n_steps, n_copies))
    change = effect * action + 0.1 * rng.normal(size=observed.shape)
    reward = np.ones_like(observed)
    steps = np.stack([observed, action, change, reward], axis=-1).astype(np.float32)
    return steps, times % 20 == 0


def learn(labels: bool) -> ContextNetworks:
    networks = ContextNetworks(1, 1, ContextInference(labels=labels, **SETTINGS), seed=0)
    learner = ContextLearner(networks, 4, seed=0)
    for step, first in zip(*live(1000, 4, seed=0), strict=True):
        networks.add(torch.from_numpy(step))
        learner.add(step, first)
    log = learner.read_log()
    assert log["context/deviation"] < 0.6
    assert learner.read_log() == {}
    return networks


@pytest.mark.parametrize("labels", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_what_is_learned_finds_the_changes(labels: bool) -> None:
    networks = learn(labels)
    steps, first = live(200, 4, seed=1)
    belief = first_belief(networks, 4)
    age, near = np.ones(4), []
    with torch.no_grad():
        for step, begins in zip(steps, first, strict=True):
            age = np.where(begins, 1, age + 1)
            belief, found = infer(networks, belief, networks.scale(torch.from_numpy(step)))
            near.append(np.abs(found.log_ages.argmax(dim=1).numpy() + 1 - age) <= 3)
            near[-1] = near[-1][age > 5]
    assert np.concatenate(near[30:]).mean() > 0.8


def test_losses_are_those_of_a_segment_by_hand() -> None:
    networks = ContextNetworks(1, 1, ContextInference(latent_size=2), seed=0)
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(5, 2, 4, generator=generator)
    valid = torch.tensor([[True, True]] * 3 + [[True, False]] * 2)
    times = torch.tensor([[4, 2], [0, 1]])
    targets = torch.tensor([[[0, 2], [3, 1], [4, 0]], [[1, 1], [1, 1], [2, 2]]])
    noise = torch.randn(2, 2, 2, generator=generator)
    found = variational_losses(networks, steps, valid, times, targets, noise)
    means, log_variances = networks.read(networks.encoder(steps)[0])
    explained = 0.0
    for time in range(2):
        for segment in range(2):
            chosen = int(times[time, segment])
            deviation = torch.exp(0.5 * log_variances[chosen, segment])
            latent = means[chosen, segment] + deviation * noise[time, segment]
            for target in targets[time, :, segment]:
                seen = steps[target, segment]
                prediction = networks.decode(latent, seen)
                explained += log_likelihood(
                    prediction, networks.target(seen), networks.log_deviations()
                ).item()
    assert found.reconstruction.item() == pytest.approx(-explained / 4, rel=1e-5)
    expected = chain_divergence(means, log_variances)[valid].mean()
    torch.testing.assert_close(found.divergence, expected)


def test_a_state_goes_on_as_its_learner() -> None:
    made = []
    for _ in range(2):
        networks = ContextNetworks(1, 1, ContextInference(**SETTINGS), seed=0)
        made.append(ContextLearner(networks, 4, seed=0))
    learner, other = made
    steps, first = live(90, 4, seed=0)
    for row in range(50):
        learner.add(steps[row], first[row])
    other.networks.load_state_dict(learner.networks.state_dict())
    other.set_state(learner.get_state())
    for one in made:
        for row in range(50, 90):
            one.add(steps[row], first[row])
    assert learner.read_log() == other.read_log()
    torch.testing.assert_close(
        learner.networks.state_dict(), other.networks.state_dict(), rtol=0, atol=0
    )
