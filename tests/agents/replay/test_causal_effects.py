from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from everlearn.agents.replay import causal_effects
from everlearn.agents.replay.causal_effects import choose_estimator, reward_effects, weights_of
from everlearn.agents.replay.newest import Transitions
from everlearn.wrappers.errors import SettingsError

EFFECTS = np.array([2.0, -1.5, 0.5, 0.0])


def linear_world(rows: int = 3000, seed: int = 0) -> Transitions:
    """Rewards that are linear in states and actions, with noise that is not normal."""
    random = np.random.default_rng(seed)
    states = random.uniform(-1, 1, (rows, 3))
    states[:, 1] += 0.8 * states[:, 0]
    actions = random.uniform(-1, 1, (rows, 4)) + 0.3 * states[:, :1]
    rewards = states @ [1.0, -0.5, 0.0] + actions @ EFFECTS + random.uniform(-0.3, 0.3, rows)
    return Transitions(states, actions, rewards)


def test_least_squares_finds_the_coefficients_and_equals_scipys() -> None:
    from scipy.linalg import lstsq

    world = linear_world()
    effects = reward_effects(world, "least-squares")
    np.testing.assert_allclose(effects, EFFECTS, atol=0.02)
    ones = np.ones((len(world.rewards), 1))
    wanted = lstsq(np.hstack([world.observations, world.actions, ones]), world.rewards)[0]
    np.testing.assert_allclose(effects, wanted[3:7], rtol=1e-9, atol=1e-9)


@pytest.mark.skipif(find_spec("lingam") is None, reason="needs the extra causal")
@pytest.mark.filterwarnings("ignore")
def test_direct_lingam_equals_least_squares_where_the_reward_comes_last() -> None:
    world = linear_world()
    state: Any = np.random.get_state()[1].copy()  # type: ignore[index]
    effects = reward_effects(world, "direct-lingam")
    np.testing.assert_allclose(effects, reward_effects(world, "least-squares"), atol=0.02)
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]


def test_what_never_changes_has_no_effect() -> None:
    world = linear_world(200)
    world.actions[:, 1] = 0.5
    world.observations[:, 2] = 1.0
    effects = reward_effects(world, "least-squares")
    assert effects[1] == 0
    assert np.isfinite(effects).all()
    still = world._replace(rewards=np.zeros(200))
    assert (reward_effects(still, "least-squares") == 0).all()


@pytest.mark.parametrize("influence", ["signed", "absolute"])
def test_weights_sum_to_the_dimensions_and_grow_with_effects(influence: Any) -> None:
    weights = weights_of(EFFECTS, influence)
    assert weights.sum() == pytest.approx(4)
    assert weights.argmax() == 0
    # The released code gives a strongly negative cause the least weight.
    assert weights.argmin() == (1 if influence == "signed" else 3)
    assert (weights_of(np.zeros(3), influence) == 1).all()
    assert np.isfinite(weights_of(np.array([1e4, -1e4]), influence)).all()


def test_the_estimator_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causal_effects, "find_spec", lambda name: None)
    assert choose_estimator("auto") == "least-squares"
    with pytest.raises(SettingsError, match="needs the package lingam"):
        choose_estimator("direct-lingam")
    monkeypatch.setattr(causal_effects, "find_spec", lambda name: object())
    assert choose_estimator("auto") == "direct-lingam"
    assert choose_estimator("least-squares") == "least-squares"


def test_direct_lingam_reads_the_rewards_row(monkeypatch: pytest.MonkeyPatch) -> None:
    class DirectLiNGAM:
        def fit(self, table: np.ndarray) -> None:
            self.adjacency_matrix_ = np.arange(64.0).reshape(8, 8)
            assert table.shape == (50, 8)

    class Package:
        pass

    Package.DirectLiNGAM = DirectLiNGAM  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lingam", Package)
    assert reward_effects(linear_world(50), "direct-lingam").tolist() == [59, 60, 61, 62]
