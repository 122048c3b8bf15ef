"""Spaces, observations, rewards, endings and info are gymnasium's, bit for bit."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from everlearn.envs.native_mujoco import NativeMujocoWorlds, native_worlds

N_COPIES = 2

SETTINGS: dict[str, dict[str, Any]] = {
    "Ant-v5": {
        "forward_reward_weight": -0.7,
        "ctrl_cost_weight": 0.3,
        "contact_cost_weight": 0.1,
        "healthy_reward": 2.5,
        "main_body": "front_left_leg",
        "healthy_z_range": (0.3, 0.8),
        "contact_force_range": (-0.5, 2.0),
        "exclude_current_positions_from_observation": False,
        "include_cfrc_ext_in_observation": False,
    },
    "HalfCheetah-v5": {
        "forward_reward_weight": 1.3,
        "ctrl_cost_weight": 0.7,
        "exclude_current_positions_from_observation": False,
        "max_episode_steps": 7,
    },
    "Hopper-v5": {
        "healthy_reward": 0.3,
        "healthy_state_range": (-2.0, 2.0),
        "healthy_z_range": (0.9, 1.3),
        "healthy_angle_range": (-0.1, 0.1),
        "frame_skip": 2,
    },
    "Humanoid-v5": {
        "contact_cost_weight": 0.01,
        "contact_cost_range": (-1.0, 2.0),
        "terminate_when_unhealthy": False,
        "include_cinert_in_observation": False,
        "include_qfrc_actuator_in_observation": False,
        "max_episode_steps": 40,
    },
    "InvertedDoublePendulum-v5": {"healthy_reward": 3.0, "reset_noise_scale": 0.2},
    "InvertedPendulum-v5": {"reset_noise_scale": 0.1, "frame_skip": 3},
    "Pusher-v5": {"reward_near_weight": 0.1, "reward_dist_weight": 2.0, "max_episode_steps": 3},
    "Reacher-v5": {"reward_control_weight": 0.3, "reward_dist_weight": 0.7},
    "Swimmer-v5": {
        "ctrl_cost_weight": 0.1,
        "exclude_current_positions_from_observation": False,
        "max_episode_steps": -1,
    },
    "Walker2d-v5": {"terminate_when_unhealthy": False, "reset_noise_scale": 0.1},
}


def make_both(world: str, **settings: Any) -> tuple[SyncVectorEnv, NativeMujocoWorlds]:
    reference = SyncVectorEnv(
        [lambda: gymnasium.make(world, **settings) for _ in range(N_COPIES)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    return reference, NativeMujocoWorlds(world, N_COPIES, n_threads=2, **settings)


def assert_same(reference: Any, own: Any, where: str) -> None:
    """Hold that two results are equal to the last bit, in their types, keys and masks too."""
    if isinstance(reference, dict):
        assert set(own) == set(reference), where
        for key in reference:
            assert_same(reference[key], own[key], f"{where}, {key}")
    elif isinstance(reference, tuple):
        for index, (left, right) in enumerate(zip(reference, own, strict=True)):
            assert_same(left, right, f"{where}, part {index}")
    elif reference is None or own is None:
        assert reference is own, where
    elif reference.dtype == object:
        assert_same(tuple(reference), tuple(own), where)
    else:
        assert own.dtype == reference.dtype, where
        assert own.shape == reference.shape, where
        assert own.tobytes() == reference.tobytes(), f"{where}: {reference} is not {own}"


def actions_of(space: gymnasium.Space, n_steps: int) -> list[np.ndarray]:
    """Return random actions, with stretches of none and of far too strong ones."""
    space.seed(0)
    actions = [space.sample() for _ in range(n_steps)]
    for step, action in enumerate(actions):
        if step % 100 < 20:
            action[:] = 0
        elif step % 100 < 25:
            action *= 20
    return actions


def follow(reference: SyncVectorEnv, own: NativeMujocoWorlds, actions: list[np.ndarray]) -> int:
    """Step both and compare; return how many episodes ended."""
    n_ended = 0
    for step, action in enumerate(actions):
        result = reference.step(action)
        assert_same(result, own.step(action), f"step {step}")
        n_ended += int((result[2] | result[3]).sum())
    return n_ended


@pytest.mark.parametrize("world", native_worlds())
def test_a_thousand_steps_are_gymnasiums(world: str) -> None:
    reference, own = make_both(world)
    assert own.single_observation_space == reference.single_observation_space
    assert own.single_action_space == reference.single_action_space
    assert own.observation_space == reference.observation_space
    assert own.action_space == reference.action_space
    assert_same(reference.reset(seed=7), own.reset(seed=7), "reset")
    n_ended = follow(reference, own, actions_of(own.action_space, 1_001))
    assert n_ended >= N_COPIES
    own.close()


@pytest.mark.parametrize("world", native_worlds())
def test_settings_are_gymnasiums(world: str) -> None:
    reference, own = make_both(world, **SETTINGS[world])
    assert own.single_observation_space == reference.single_observation_space
    assert_same(reference.reset(seed=1), own.reset(seed=1), "reset")
    follow(reference, own, actions_of(own.action_space, 60))
    own.close()


def test_double_precision_actions_are_gymnasiums() -> None:
    reference, own = make_both("Ant-v5")
    assert_same(reference.reset(seed=0), own.reset(seed=0), "reset")
    generator = np.random.default_rng(0)
    follow(reference, own, list(generator.uniform(-1, 1, (20, N_COPIES, 8))))
    own.close()


def test_resets_are_gymnasiums() -> None:
    reference, own = make_both("Walker2d-v5")
    actions = actions_of(own.action_space, 90)
    assert_same(reference.reset(seed=[5, 3]), own.reset(seed=[5, 3]), "seeds of each")
    follow(reference, own, actions[:30])
    for mask in ([False, True], [True, False]):
        expected = reference.reset(options={"reset_mask": np.array(mask)})
        assert_same(expected, own.reset(options={"reset_mask": np.array(mask)}), "masked reset")
        follow(reference, own, actions[30:60])
    assert_same(reference.reset(), own.reset(), "reset without a seed")
    follow(reference, own, actions[60:])
    own.close()
