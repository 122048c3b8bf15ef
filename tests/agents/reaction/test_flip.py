"""What the forward model's error does when CartPole's left and right are swapped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from everlearn.agents.reaction import ReactiveExploration
from everlearn.agents.reaction.worlds import react
from everlearn.envs import Stream, make_vec_env
from everlearn.wrappers.change import Change
from everlearn.wrappers.schedules import Periodic
from everlearn.wrappers.values import Values

FLIP = 8_000
KNOBS = {
    "cartpole-length": (0.5, 1.0),
    "cartpole-masscart": (1.0, 2.0),
    "cartpole-force": (10.0, -10.0),
}


def errors_through_a_flip(seed: int) -> np.ndarray:
    """Return the squared error of each step of random actions, before it was learned from."""
    changes = tuple(Change(knob, Values(pair), Periodic(FLIP)) for knob, pair in KNOBS.items())
    method = ReactiveExploration(
        dynamics_share=1.0,
        reward_share=0.0,
        dynamics_scale=2.0,
        features="observations",
        hidden_size=64,
        updates=4,
        memory=256,
        model_learning_rate=1e-3,
    )
    stream = Stream("everlearn/Flip-v0", ("CartPole-v1",), changes)
    worlds = react(make_vec_env(stream, 8, seed=seed), [method], seed=seed)
    worlds.reset()
    rng, errors = np.random.default_rng(seed), []
    for _ in range((FLIP + 2_500) // 8):
        # With shares of 1 and 0 and a scale of 2, the reward is the error.
        _, rewards, _, _ = worlds.step(rng.integers(2, size=8))
        errors.append(rewards)
    return np.concatenate(errors)


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2, 3))])
def test_the_error_rises_fifty_fold_and_returns_within_2000_steps(seed: int) -> None:
    torch.set_num_threads(1)
    errors = errors_through_a_flip(seed)
    before = errors[FLIP - 1000 : FLIP].mean()
    assert errors[FLIP : FLIP + 64].mean() > 50 * before
    assert errors[FLIP + 1800 : FLIP + 2300].mean() < 2 * before
