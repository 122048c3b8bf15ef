"""Physics by rebuilding: equal before the change, different after, and as a fresh world's."""

import os

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.envs.native_mujoco import native_worlds
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


def test_settings_of_the_world_reach_it_or_are_refused() -> None:
    worlds = EnvPoolWorlds("Ant-v5", 1, max_episode_steps=7, ctrl_cost_weight=0)
    worlds.reset(seed=0)
    for step in range(1, 15):
        _, _, _, truncated, info = worlds.step(np.ones((1, 8)))
        assert truncated[0] == (step % 7 == 0)
        assert info.get("final_info", info)["reward_ctrl"][0] == 0
    worlds.close()
    with pytest.raises(SettingsError, match="did you mean 'ctrl_cost_weight'"):
        EnvPoolWorlds("Ant-v5", 1, ctrl_cost_wait=0.0)
    with pytest.raises(SettingsError, match="'frame_skip' of Ant-v5 must be of type int"):
        EnvPoolWorlds("Ant-v5", 1, frame_skip=2.5)
    with pytest.raises(SettingsError, match="unknown setting of Ant-v5 'seed'"):
        EnvPoolWorlds("Ant-v5", 1, seed=3)


def test_settings_that_would_corrupt_memory_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown setting"):
        EnvPoolWorlds("MiniGrid-DoorKey-5x5-v0", 1, agent_view_size=5)


SHAPES = {
    "SpaceInvaders-v5": ((4, 84, 84), np.uint8),
    "MiniGrid-DoorKey-5x5-v0": ((4 + 7 * 7 * 3,), np.float32),
    "WalkerWalk-v1": ((14 + 1 + 9,), np.float64),
    "CheetahRun-v1": ((8 + 9,), np.float64),
    "CartPole-v1": ((4,), np.float32),
    "LunarLander-v3": ((8,), np.float32),
    "HalfCheetah-v5": ((17,), np.float64),
}


@pytest.mark.parametrize("world", SHAPES)
def test_observations_are_flat_inside_their_space_and_repeat(world: str) -> None:
    shape, dtype = SHAPES[world]
    rolls: list[list] = []
    for _ in range(2):
        worlds = EnvPoolWorlds(world, 3, num_threads=2, max_episode_steps=5)
        assert worlds.single_observation_space.shape == shape
        assert worlds.single_action_space.dtype in (np.float32, np.int64)
        worlds.action_space.seed(0)
        steps: list = [worlds.reset(seed=5)]
        for _ in range(12):
            steps.append(worlds.step(worlds.action_space.sample()))
            assert steps[-1][1].dtype == np.float64
        for observations in (step[0] for step in steps):
            assert observations.dtype == dtype
            assert observations in worlds.observation_space
        assert any("final_obs" in step[4] for step in steps[1:])
        assert "ram" not in steps[0][1]
        worlds.close()
        rolls.append(steps)
    assert data_equivalence(rolls[0], rolls[1])
    assert any((step[0][0] != step[0][1]).any() for step in rolls[0])


def test_minigrids_view_is_the_direction_and_then_the_image() -> None:
    worlds = EnvPoolWorlds("MiniGrid-Empty-5x5-v0", 1)
    observations, _ = worlds.reset(seed=0)
    assert observations[0, :4].tolist() == [1, 0, 0, 0]
    turned = worlds.step(np.array([1]))[0]
    assert turned[0, :4].tolist() == [0, 1, 0, 0]
    # An image's cells are (object, colour, state): the unseen are 0, walls are 2.
    assert set(turned[0, 4::3]) <= {0, 1, 2, 8, 10}
    worlds.close()


def test_unbounded_observations_are_unbounded() -> None:
    """EnvPool says of them that they are positive."""
    low = EnvPoolWorlds("WalkerWalk-v1", 1).single_observation_space.low  # type: ignore[attr-defined]
    assert (low == -np.inf).all()
    theirs = gymnasium.make("CartPole-v1").observation_space
    ours = EnvPoolWorlds("CartPole-v1", 1).single_observation_space
    np.testing.assert_allclose(ours.low, theirs.low, rtol=1e-6)  # type: ignore[attr-defined]


def test_a_masked_reset_leaves_the_other_copies_alone() -> None:
    worlds, undisturbed = (EnvPoolWorlds("Ant-v5", 2) for _ in range(2))
    worlds.reset(seed=0)
    undisturbed.reset(seed=0)
    kept = worlds.step(ACTIONS[0])[0]
    expected = undisturbed.step(ACTIONS[0])[0]
    observations, info = worlds.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(kept, expected)
    np.testing.assert_array_equal(observations[1], expected[1])
    assert (observations[0] != expected[0]).any()
    assert info["_x_position"].tolist() == [True, False]
    np.testing.assert_array_equal(worlds.step(ACTIONS[1])[0][1], undisturbed.step(ACTIONS[1])[0][1])
    worlds.close()
    undisturbed.close()


def test_knobs_left_out_of_a_context_stay_as_they_are() -> None:
    worlds = EnvPoolWorlds("Ant-v5", 2, ["friction", "gravity"])
    once = EnvPoolWorlds("Ant-v5", 2, ["friction", "gravity"])
    worlds.set_context({"friction": np.array([0.1, 0.1])})
    worlds.set_context({"gravity": np.array([3.0, 3.0])})
    once.set_context({"friction": 0.1, "gravity": 3.0})
    rolls = []
    for world in (worlds, once):
        world.reset(seed=0)
        rolls.append([world.step(action)[0] for action in ACTIONS[:20]])
        world.close()
    np.testing.assert_array_equal(rolls[0], rolls[1])
    with pytest.raises(SettingsError, match="must be the same in every copy"):
        worlds.set_context({"friction": np.array([0.1, 0.2])})


def test_rebuilding_leaves_no_thread() -> None:
    worlds = EnvPoolWorlds("Ant-v5", 2, ["friction"])
    worlds.reset(seed=0)
    threads = len(os.listdir("/proc/self/task"))
    for i in range(30):
        worlds.set_context({"friction": 0.1 + i})
        worlds.reset()
    assert len(os.listdir("/proc/self/task")) == threads
    worlds.close()
    assert len(os.listdir("/proc/self/task")) < threads


@pytest.mark.parametrize("world", native_worlds())
def test_physics_can_be_changed_in_every_mujoco_world(world: str) -> None:
    rolls = []
    for scale in (None, 1.0, 3.0):
        worlds = EnvPoolWorlds(world, 2, ["mass-scale"])
        if scale is not None:
            worlds.set_context({"mass-scale": scale})
        worlds.reset(seed=0)
        worlds.action_space.seed(0)
        steps = [worlds.step(worlds.action_space.sample())[0].copy() for _ in range(10)]
        rolls.append(np.array(steps))
        worlds.close()
    # Masses that are written out differ from computed ones in the last places.
    np.testing.assert_allclose(rolls[0], rolls[1], rtol=0, atol=1e-8)
    assert np.abs(rolls[0] - rolls[2]).max() > 1e-3


def test_two_knobs_of_one_quantity_are_refused() -> None:
    with pytest.raises(SettingsError, match="both set"):
        EnvPoolWorlds("Ant-v5", 1, ["friction", "friction-scale"])
