"""Physics by rebuilding: equal before the change, different after, and as a fresh world's."""

import numpy as np
import pytest

from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import At
from everlearn.wrappers.values import Values
from everlearn.wrappers.vector_non_stationary import VectorNonStationary

N_ENVS = 2
ACTIONS = np.random.default_rng(0).uniform(-1, 1, size=(80, N_ENVS, 8))


def roll(changes: list[Change], n_steps: int = 80, seed: int = 0) -> dict[str, np.ndarray]:
    env = VectorNonStationary(
        EnvPoolWorlds("Ant-v5", N_ENVS, [change.knob for change in changes]), changes
    )
    observations, info = env.reset(seed=seed)
    record: dict[str, list] = {"observation": [observations.copy()], "done": [], "friction": []}
    for action in ACTIONS[:n_steps]:
        record["friction"].append(info["context"].get("friction", [1.0])[0])
        observations, _, terminated, truncated, info = env.step(action)
        record["observation"].append(observations.copy())
        record["done"].append(terminated | truncated)
    env.close()
    return {name: np.array(values) for name, values in record.items()}


def friction(values: tuple[float, ...], steps: tuple[int, ...]) -> list[Change]:
    return [Change("friction", Values(values), At(steps))]


def test_equal_before_the_change_and_different_after() -> None:
    changed = roll(friction((1.0, 0.03), (60,)))
    unchanged = roll(friction((1.0, 1.0), (60,)))
    landing = 60 // N_ENVS
    np.testing.assert_array_equal(
        changed["observation"][:landing], unchanged["observation"][:landing]
    )
    assert (
        np.abs(changed["observation"][landing + 1 :] - unchanged["observation"][landing + 1 :])[
            :20
        ].max()
        > 1e-3
    )
    assert changed["done"][landing - 1].all()
    assert (changed["friction"][:landing] == 1.0).all()
    assert (changed["friction"][landing:] == 0.03).all()


def test_the_default_value_is_bit_equal_to_the_untouched_world() -> None:
    untouched = roll([])
    written = roll(friction((1.0,), ()))
    np.testing.assert_array_equal(untouched["observation"], written["observation"])


def test_reverted_is_bit_equal_to_a_fresh_world() -> None:
    worlds = EnvPoolWorlds("Ant-v5", N_ENVS, ["friction"])
    worlds.set_context({"friction": 1.0})
    first, _ = worlds.reset(seed=3)
    for value in (0.02, 2.0, 1.0):
        worlds.set_context({"friction": value})
        worlds.reset()
    again, _ = worlds.reset(seed=3)
    np.testing.assert_array_equal(first, again)
    fresh = EnvPoolWorlds("Ant-v5", N_ENVS, ["friction"])
    fresh.set_context({"friction": 1.0})
    fresh.reset(seed=3)
    for action in ACTIONS[:20]:
        np.testing.assert_array_equal(worlds.step(action)[0], fresh.step(action)[0])


def test_closing_leaves_no_file() -> None:
    worlds = EnvPoolWorlds("Ant-v5", N_ENVS, ["friction"])
    worlds.set_context({"friction": 1.0})
    file = worlds._model_file._target  # type: ignore[union-attr]
    assert file.exists()
    worlds.close()
    assert not file.parent.exists()


def test_copies_differ_and_runs_repeat() -> None:
    first, second = roll([], 20), roll([], 20)
    np.testing.assert_array_equal(first["observation"], second["observation"])
    assert np.abs(first["observation"][0, 0] - first["observation"][0, 1]).max() > 0


def test_an_ended_copy_begins_again_at_once() -> None:
    worlds = EnvPoolWorlds("InvertedPendulum-v5", 3)
    worlds.reset(seed=0)
    lengths = np.zeros(3, dtype=int)
    seen = 0
    for _ in range(60):
        observations, _, terminated, truncated, info = worlds.step(np.full((3, 1), 3.0))
        lengths += 1
        # A pole pushed at full force falls within some steps of *every* reset: a step whose
        # action was ignored would stand out as a longer episode that begins upright twice.
        for i in np.flatnonzero(terminated | truncated):
            seen += 1
            assert abs(info["final_obs"][i][1]) > 0.2
            assert abs(observations[i][1]) < 0.02
            assert info["elapsed_step"][i] == 0
            assert info["final_info"]["elapsed_step"][i] == lengths[i]
            lengths[i] = 0
    assert seen > 6


def test_other_knobs_and_worlds_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown envpool world 'Ant-v6'"):
        EnvPoolWorlds("Ant-v6", 1)
    with pytest.raises(SettingsError, match="unknown knob"):
        EnvPoolWorlds("Ant-v5", 1, ["frixion"])
