"""Whatever the autoreset mode, one stream of transitions: nothing ignored, nothing made up."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import envpool
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from everlearn.envs.autoreset import SameStepAutoreset
from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.envs.vec_env import StreamVecEnv
from everlearn.wrappers.errors import SettingsError

N_STEPS = 14


class Ending(NamedTuple):
    """How one episode ends: after how many steps, and by which flags."""

    length: int
    terminated: bool
    truncated: bool


ENDINGS = st.builds(
    lambda length, flags: Ending(length, *flags),
    st.integers(1, 4),
    st.sampled_from([(True, False), (False, True), (True, True)]),
)
PATTERNS = st.lists(st.lists(ENDINGS, min_size=1, max_size=4), min_size=1, max_size=3)


class Scripted(gymnasium.Env):
    """Ends each episode as a list says; its rewards tell which action was really taken."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))
    action_space = gymnasium.spaces.Discrete(100)

    def __init__(self, script: list[Ending], uneven: bool = False) -> None:
        self.script, self.uneven = script, uneven
        self.episode, self.elapsed = -1, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.episode, self.elapsed = self.episode + 1, 0
        info: dict[str, Any] = {"elapsed": 0, "action": -1}
        return self.observe(), {**info, "begun": f"episode {self.episode}"} if self.uneven else info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self.elapsed += 1
        ending = self.script[self.episode % len(self.script)]
        ended = self.elapsed == ending.length
        info: dict[str, Any] = {"elapsed": self.elapsed, "action": int(action)}
        if self.uneven:
            info |= {"parts": {"of": 1.5, "vector": np.arange(2)}}
        return (
            self.observe(),
            100.0 * self.elapsed + action,
            ended and ending.terminated,
            ended and ending.truncated,
            info,
        )

    def observe(self) -> np.ndarray:
        return np.array([self.episode, self.elapsed], dtype=np.float32)


class FakePool(VectorEnv):
    """Does what a pool of envpool does, with episodes that end as told."""

    is_async = False
    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, scripts: list[list[Ending]]) -> None:
        self.envs = [Scripted(script) for script in scripts]
        self.num_envs = len(scripts)
        self.all_env_ids = np.arange(self.num_envs, dtype=np.int32)
        self.ended = np.zeros(self.num_envs, dtype=bool)
        self.single_observation_space = self.observation_space = Scripted.observation_space
        self.single_action_space = self.action_space = Scripted.action_space

    def reset(self, env_id: Any = None, *, seed: Any = None, options: Any = None) -> Any:
        ids = self.all_env_ids if options is None else np.flatnonzero(options["reset_mask"])
        self.ended[ids] = False
        return self.join([self.envs[i].reset() for i in ids], ids)

    def step(self, actions: np.ndarray) -> Any:
        results = []
        for i, env in enumerate(self.envs):
            if self.ended[i]:
                observation, info = env.reset()
                results.append((observation, 0.5, False, False, info))
            else:
                results.append(env.step(actions[i]))
        rewards, terminated, truncated = (
            np.array([result[part] for result in results]) for part in (1, 2, 3)
        )
        self.ended = terminated | truncated
        observations, info = self.join([(r[0], r[4]) for r in results], self.all_env_ids)
        return observations, rewards.astype(np.float32), terminated, truncated, info

    def join(self, results: list, ids: np.ndarray) -> Any:
        info = {key: np.array([own[key] for _, own in results]) for key in results[0][1]}
        told = {**info, "env_id": ids, "players": {"env_id": ids}}
        return np.stack([observation for observation, _ in results]), told


def worlds_of(scripts: list[list[Ending]], uneven: bool = False) -> list[Callable[[], Scripted]]:
    return [partial(Scripted, script, uneven) for script in scripts]


def adapted(scripts: list[list[Ending]], uneven: bool = False) -> dict[str, VectorEnv]:
    worlds = worlds_of(scripts, uneven)
    made: dict[str, VectorEnv] = {
        f"sync {mode.value}": SyncVectorEnv(worlds, autoreset_mode=mode) for mode in AutoresetMode
    }
    if not uneven:
        made["pool"] = FakePool(scripts)
    return {name: SameStepAutoreset(env) for name, env in made.items()}


def actions_of(n_envs: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, size=(N_STEPS, n_envs))


def check_against_plain_loops(env: VectorEnv, scripts: list[list[Ending]]) -> None:
    """Compare with one gymnasium world a copy, reset by hand, and SB3's way to tell of it."""
    venv = StreamVecEnv(env, seed=0)
    references = [Scripted(script) for script in scripts]
    np.testing.assert_array_equal(venv.reset(), [world.reset()[0] for world in references])
    returns = np.zeros(len(scripts))
    for actions in actions_of(len(scripts)):
        batch, rewards, dones, infos = venv.step(actions)
        observations = np.asarray(batch)
        for i, world in enumerate(references):
            observation, reward, terminated, truncated, info = world.step(actions[i])
            returns[i] += reward
            assert rewards[i] == reward
            assert dones[i] == (terminated or truncated)
            assert info["action"] == actions[i]
            if dones[i]:
                np.testing.assert_array_equal(infos[i]["terminal_observation"], observation)
                assert infos[i]["TimeLimit.truncated"] is (truncated and not terminated)
                assert infos[i]["episode"]["r"] == returns[i]
                assert infos[i]["episode"]["l"] == info["elapsed"]
                returns[i] = 0
                observation, info = world.reset()
            else:
                assert "episode" not in infos[i]
                assert infos[i]["action"] == info["action"]
            np.testing.assert_array_equal(observations[i], observation)
    venv.close()


def vector_steps(env: VectorEnv) -> list[Any]:
    observations, info = env.reset(seed=0)
    steps: list[Any] = [(observations, info)]
    steps.extend(env.step(actions) for actions in actions_of(env.num_envs))
    env.close()
    return steps


def sb3_infos(env: VectorEnv) -> list[list[dict[str, Any]]]:
    venv = StreamVecEnv(env, seed=0)
    venv.reset()
    steps = [venv.step(actions)[3] for actions in actions_of(env.num_envs)]
    for info in (info for infos in steps for info in infos):
        info.get("episode", {}).pop("t", None)
    venv.close()
    return steps


@given(PATTERNS)
@settings(max_examples=60, deadline=None)
def test_every_mode_yields_the_plain_loops_transitions(scripts: list[list[Ending]]) -> None:
    for env in adapted(scripts).values():
        check_against_plain_loops(env, scripts)


@given(PATTERNS)
@settings(max_examples=40, deadline=None)
def test_sb3_sees_the_same_infos_in_every_mode(scripts: list[list[Ending]]) -> None:
    first, *others = (sb3_infos(env) for env in adapted(scripts).values())
    for other in others:
        assert data_equivalence(other, first)


@given(PATTERNS)
@settings(max_examples=40, deadline=None)
def test_infos_are_gymnasiums_own(scripts: list[list[Ending]]) -> None:
    """Masks, `final_info`, entries that only some copies have: all as gymnasium's same-step has."""
    own = SyncVectorEnv(worlds_of(scripts, True), autoreset_mode=AutoresetMode.SAME_STEP)
    expected = vector_steps(own)
    for env in adapted(scripts, uneven=True).values():
        for mine, theirs in zip(vector_steps(env), expected, strict=True):
            assert data_equivalence(mine, theirs)


SCRIPTS = [
    [Ending(1, True, False), Ending(3, False, True)],
    [Ending(2, True, True), Ending(1, False, True), Ending(4, True, False)],
]


# Python 3.12 warns of forking while native threads run; the workers only step a script.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize(
    ("mode", "shared_memory"),
    [
        (AutoresetMode.NEXT_STEP, True),
        (AutoresetMode.DISABLED, True),
        (AutoresetMode.DISABLED, False),
        (AutoresetMode.SAME_STEP, False),
    ],
)
def test_worlds_in_processes(mode: AutoresetMode, shared_memory: bool) -> None:
    env = AsyncVectorEnv(worlds_of(SCRIPTS), shared_memory=shared_memory, autoreset_mode=mode)
    check_against_plain_loops(SameStepAutoreset(env), SCRIPTS)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_workers_that_would_reset_twice_are_refused() -> None:
    """Guards gymnasium's fault: once a masked reset reaches such workers, they can be adapted."""
    env = AsyncVectorEnv(worlds_of(SCRIPTS), shared_memory=False)
    with pytest.raises(SettingsError, match="shared memory"):
        SameStepAutoreset(env)
    env.reset()
    env.step(np.array([7, 7]))
    env.reset(options={"reset_mask": np.array([True, False])})
    rewards = env.step(np.array([7, 7]))[1]
    env.close()
    assert rewards[0] == 0, "gymnasium has mended this: adapt these worlds as well"


@pytest.mark.filterwarnings("ignore:EnvPool seeds are fixed")
@pytest.mark.filterwarnings("ignore:.*precision lowered")
def test_a_real_pool_equals_pools_of_one_copy() -> None:
    def pool(n_envs: int, seed: int) -> Any:
        return envpool.make_gymnasium("CartPole-v1", num_envs=n_envs, seed=seed)

    env = SameStepAutoreset(pool(3, 5))
    assert env.observation_space.shape == (3, 4)
    singles = [pool(1, 5 + i) for i in range(3)]
    observations, _ = env.reset()
    np.testing.assert_array_equal(observations, [single.reset()[0][0] for single in singles])
    ends = 0
    for actions in np.random.default_rng(0).integers(0, 2, size=(120, 3)):
        observations, rewards, terminated, _, info = env.step(actions)
        for i, single in enumerate(singles):
            observation, reward, single_terminated, _, _ = single.step(actions[i : i + 1])
            assert (rewards[i], terminated[i]) == (reward[0], single_terminated[0])
            if terminated[i]:
                ends += 1
                np.testing.assert_array_equal(info["final_obs"][i], observation[0])
                assert info["elapsed_step"][i] == 0
                observation, _ = single.reset()
            np.testing.assert_array_equal(observations[i], observation[0])
    assert ends > 5
    env.close()


def test_our_pools_equal_pools_of_one_copy_at_their_time_limit() -> None:
    """EnvPool says that a pole which falls at the time limit was cut; here it has fallen too."""
    together = EnvPoolWorlds("InvertedPendulum-v5", 3, max_episode_steps=6)
    longer = EnvPoolWorlds("InvertedPendulum-v5", 3, max_episode_steps=1000)
    np.testing.assert_array_equal(together.reset(seed=1)[0], longer.reset(seed=1)[0])
    both = 0
    lengths = np.zeros(3, dtype=int)
    for actions in np.random.default_rng(0).uniform(-3, 3, size=(100, 3, 1)):
        observations, rewards, terminated, truncated, _ = together.step(actions)
        expected = longer.step(actions)
        lengths += 1
        np.testing.assert_array_equal(truncated, lengths == 6)
        np.testing.assert_array_equal(terminated, expected[2])
        np.testing.assert_array_equal(rewards, expected[1])
        both += int((terminated & truncated).sum())
        # Only a cut one begins anew where the other goes on.
        if (truncated & ~terminated).any():
            longer.reset(options={"reset_mask": truncated & ~terminated})
        else:
            np.testing.assert_array_equal(observations, expected[0])
        lengths[terminated | truncated] = 0
    assert both > 0


def test_untold_modes_and_asynchronous_pools_are_refused() -> None:
    env = SyncVectorEnv(worlds_of(SCRIPTS))
    env.metadata = {}
    with pytest.raises(SettingsError, match="does not tell its autoreset mode"):
        SameStepAutoreset(env)
    pool: Any = envpool.make_gymnasium("Ant-v5", num_envs=2, batch_size=1)
    with pytest.raises(SettingsError, match="batch is smaller"):
        SameStepAutoreset(pool)
    pool.close()
