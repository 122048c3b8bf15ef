from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from everlearn.agents.belief import normal_hazard
from everlearn.agents.secbad import ContextInference, InferContext
from everlearn.envs import make_stream, make_vec_env
from everlearn.training.segment_ages import AgeWatch, ExactFilter, TwoSides


def test_the_exact_filter_knows_every_swap() -> None:
    contexts = np.repeat([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0]], [20, 30, 25], axis=0)
    filtered = ExactFilter(normal_hazard(25, 5, 10), 2)
    ages = np.array([filtered.see(row) for row in contexts])
    expected = np.concatenate([np.arange(1, n + 1) for n in (20, 30, 25)])
    assert ages[:, 0].tolist() == expected.tolist()
    # The other's first change was none, and only the law of lengths can tell.
    assert ages[10:20, 1].tolist() == list(range(11, 21))
    assert ages[50:, 1].tolist() == list(range(1, 26))


def test_the_exact_filter_of_sides_in_turn_knows_every_age() -> None:
    rng, worlds = np.random.default_rng(0), normal_hazard(25, 5, 10)
    lengths = np.maximum(rng.normal(25, 5, size=20).astype(int), 10)
    contexts = np.repeat([1.0, -1.0] * 10, lengths)
    filtered = ExactFilter(worlds, 1, stays=0.0)
    ages = np.concatenate([filtered.see(contexts[i : i + 1]) for i in range(len(contexts))])
    expected = np.concatenate([np.arange(1, n + 1) for n in lengths])
    # The first segment may as well have ended before it was seen.
    assert ages[lengths[0] :].tolist() == np.minimum(expected, len(worlds))[lengths[0] :].tolist()


def test_a_context_of_two_values_is_found() -> None:
    def sides(stream: str) -> TwoSides | None:
        return TwoSides.of(make_stream(stream))

    assert sides("everlearn/CartPoleForceSign-v0:redraw=no") == ("cartpole-force", 0.0)
    assert sides("everlearn/HalfCheetahDirection-v0") == ("goal-direction", 0.5)
    assert sides("everlearn/HalfCheetahVelocity-v0") is None
    assert sides("everlearn/CataclysmicCartPole-v0") is None


def test_steps_are_judged_by_the_world_in_which_they_were_taken() -> None:
    settings = ContextInference(hidden_size=4, latent_size=2, decoder_size=4, train_every=10**6)
    stream = "everlearn/CartPoleForceSign-v0:mean_length=20,redraw=no"
    env: Any = InferContext(make_vec_env(stream, n_envs=2, seed=0), settings, seed=0)
    watch = AgeWatch(0, TwoSides("cartpole-force", 0.0), kept=30)
    watch.init_callback(SimpleNamespace(get_env=lambda: env, logger=None))  # type: ignore[arg-type]
    env.reset()
    watch.locals = {}
    watch._on_training_start()
    rng, signs, returns = np.random.default_rng(0), [], []
    for step in range(120):
        _, _, dones, infos = env.step(rng.integers(2, size=2))
        watch.num_timesteps = 2 * step + 2
        watch.locals = {"infos": infos, "dones": dones}
        watch._on_step()
        signs.append(watch.trace[-1]["context"])
        returns += [info["episode"]["r"] for info in infos if "episode" in info]
    assert [total for _, total in watch.episodes] == returns
    assert len(watch.trace) == 30
    # Without redrawing, both truths are one, and the age of the first copy follows its signs.
    assert watch.shares["exact, segment"] == watch.shares["exact, context"]
    assert watch.shares["exact, segment"] > 0.99
    swaps = np.flatnonzero(np.diff(signs)) + 1
    assert len(swaps) > 2
    assert watch.trace[-1]["segment"] == 120 - swaps[-1]
    assert watch.trace[-1]["belief"].sum() == pytest.approx(1, abs=1e-5)
    assert torch.isfinite(env.inferred.log_ages.exp()).all()
