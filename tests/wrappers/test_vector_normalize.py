from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.wrappers.vector import NormalizeObservation, NormalizeReward

from everlearn.envs import make_vector_env
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.vector_normalize import VectorNormalize

N_ENVS = 4


def worlds(limit: int = 37, mode: AutoresetMode = AutoresetMode.SAME_STEP) -> VectorEnv:
    return SyncVectorEnv(
        [lambda: gymnasium.make("HalfCheetah-v5", max_episode_steps=limit)] * N_ENVS,
        autoreset_mode=mode,
    )


def actions(n_steps: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, size=(n_steps, N_ENVS, 6))


def test_observations_come_to_what_gymnasiums_wrapper_makes_of_them() -> None:
    """Both take in each step's rows; gymnasium's also counts the first, and 1e-4 rows of (0, 1)."""
    ours = VectorNormalize(worlds(10**6), rewards=False, update_every=1, clip=1e9)
    theirs = NormalizeObservation(worlds(10**6, AutoresetMode.NEXT_STEP))
    ours.reset(seed=0)
    theirs.reset(seed=0)
    for action in actions(400):
        mine, other = ours.step(action)[0], theirs.step(action)[0]
    np.testing.assert_allclose(mine, other, atol=0.02)


def test_rewards_come_to_what_gymnasiums_wrapper_makes_of_them() -> None:
    ours = VectorNormalize(worlds(10**6), observations=False, update_every=1, clip=1e9)
    theirs = NormalizeReward(worlds(10**6, AutoresetMode.NEXT_STEP), gamma=0.99)
    ours.reset(seed=0)
    theirs.reset(seed=0)
    for action in actions(400):
        mine, other = ours.step(action)[1], theirs.step(action)[1]
    np.testing.assert_allclose(mine, other, rtol=1e-3)


@pytest.mark.parametrize("update_every", [1, 7, 16])
def test_moments_are_those_of_all_that_was_seen(update_every: int) -> None:
    env = VectorNormalize(worlds(10**6), update_every=update_every)
    raw = worlds(10**6)
    env.reset(seed=0)
    raw.reset(seed=0)
    seen = []
    for action in actions(31 if update_every == 16 else 35):
        env.step(action)
        seen.append(raw.step(action)[0])
    state = env.get_state()
    rows = np.concatenate(seen)[: state["count"][0]]
    assert state["count"].tolist() > [0]
    np.testing.assert_allclose(state["mean"][0, :-1], rows.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state["squares"][0, :-1] / len(rows), rows.var(axis=0), rtol=1e-9)


def test_last_observations_are_scaled_like_the_others() -> None:
    env, raw = VectorNormalize(worlds()), worlds()
    env.reset(seed=0)
    raw.reset(seed=0)
    endings = 0
    for action in actions(80):
        _, _, _, truncated, info = env.step(action)
        told = raw.step(action)[4]
        if truncated.any():
            endings += 1
            for mine, other in zip(info["final_obs"], told["final_obs"], strict=True):
                np.testing.assert_array_equal(mine, env._scaled(other))
    assert endings == 2


def test_frozen_it_looks_at_nothing() -> None:
    env = VectorNormalize(worlds())
    env.reset(seed=0)
    for action in actions(20):
        env.step(action)
    env.training = False
    before = env.get_state()
    for action in actions(40):
        env.step(action)
    after = env.get_state()
    np.testing.assert_array_equal(before["mean"], after["mean"])
    assert before["count"] == after["count"]


@pytest.mark.parametrize("at_change", ["carry", "reset"])
def test_a_change_carries_or_resets_the_statistics(at_change: Any) -> None:
    stream = make_vector_env("everlearn/SlipperyAnt-v0", 2, change_every=40)
    env = VectorNormalize(stream, at_change=at_change)
    env.reset(seed=0)
    for _ in range(25):
        env.step(env.action_space.sample())
    assert (env.get_state()["count"][0] < 2 * 8) == (at_change == "reset")


class Switching(VectorWrapper):
    """Tells contexts, and moves observations by 10 times the copy's context."""

    def __init__(self, contexts: list[list[float]], name: str = "task") -> None:
        super().__init__(worlds())
        self.contexts = np.array([np.broadcast_to(row, N_ENVS) for row in contexts])
        self.name, self.n_steps = name, 0

    def reset(self, **settings: Any) -> Any:
        observations, info = self.env.reset(**settings)
        return self.told(observations, info, np.zeros(N_ENVS, bool))

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        before = self.contexts[self.n_steps]
        self.n_steps += 1
        if "final_obs" in info:
            ended = zip(info["final_obs"], before, strict=True)
            final = [None if one is None else one + 10 * c for one, c in ended]
            info["final_obs"] = np.array([*final, None], object)[:-1]
        told = self.told(observations, info, self.contexts[self.n_steps] != before)
        return told[0], rewards, terminated, truncated, told[1]

    def told(self, observations: Any, info: Any, changed: np.ndarray) -> Any:
        now = self.contexts[self.n_steps]
        context = {"context": {self.name: now, "wind": now * 0}, "changed": changed}
        return observations + 10 * now[:, None], {**info, **context}


def raw_of(contexts: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return all observations and the contexts of their copies."""
    env = Switching(contexts)
    env.reset(seed=0)
    seen = [env.step(action)[0] for action in actions(len(contexts) - 1)]
    return np.concatenate(seen), env.contexts[1:].flatten()


@pytest.mark.parametrize("name", ["task", "goal"])
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
def test_every_task_has_its_own_statistics(name: str, apart: bool) -> None:
    """Also where copies are at different tasks, and when a task comes back."""
    contexts = [[0.0]] * 14 + [[2.0, 2.0, 0.0, 2.0] if apart else [2.0]] * 13 + [[0.0]] * 9
    contexts += [[2.0]]  # only to have what is still waiting taken in
    env = VectorNormalize(Switching(contexts, name), at_change="per-task")
    env.reset(seed=0)
    for action in actions(len(contexts) - 1):
        env.step(action)
    found, (raw, of_rows) = env.get_statistics(), raw_of(contexts)
    # The row of the last change itself waits still, in its own table.
    raw, of_rows = raw[:-N_ENVS], of_rows[:-N_ENVS]
    assert [task[0] for task in found["tasks"] if task] == [0.0, 2.0]
    for task, count, mean, squares in zip(
        *(found[key] for key in ("tasks", "count", "mean", "squares")), strict=True
    ):
        if not task:
            assert count == 0
            continue
        mine = raw[of_rows == task[0]]
        settled = mine if task[0] == 0 else mine[:count]
        assert abs(count - len(mine)) <= N_ENVS
        np.testing.assert_allclose(mean[:-1], settled[:count].mean(axis=0), rtol=1e-6, atol=1e-2)
        np.testing.assert_allclose(squares[:-1] / count, settled[:count].var(axis=0), rtol=0.05)


def test_the_last_observation_before_a_change_is_scaled_as_those_before() -> None:
    contexts = [[0.0]] * 37 + [[2.0]] * 5
    for at_change in ("reset", "per-task"):
        env = VectorNormalize(Switching(contexts), at_change=at_change)
        env.reset(seed=0)
        for action in actions(37):
            mean, factor = env._mean.copy(), env._factor.copy()
            _, _, _, truncated, info = env.step(action)
        assert truncated.all()
        raw = Switching(contexts)
        raw.reset(seed=0)
        for action in actions(37):
            told = raw.step(action)[4]
        for mine, other in zip(info["final_obs"], told["final_obs"], strict=True):
            wanted = np.clip((other - mean[:-1]) * factor[:-1], -10, 10)
            np.testing.assert_allclose(mine, wanted, rtol=1e-6)


def test_a_task_that_is_met_frozen_is_scaled_by_all_there_were() -> None:
    contexts = [[0.0]] * 20 + [[2.0]] * 21
    env = VectorNormalize(Switching(contexts), at_change="per-task")
    env.reset(seed=0)
    for action in actions(40):
        env.step(action)
    learned = env.get_statistics()
    test = VectorNormalize(Switching([[5.0]] * 20 + [[2.0]] * 5), at_change="per-task")
    test.freeze(learned)
    test.reset(seed=1)
    total = learned["count"].sum()
    mean = (learned["count"][:, None] * learned["mean"]).sum(axis=0) / total
    np.testing.assert_allclose(test._mean, mean)
    for action in actions(22):
        test.step(action)
    row = [task[:1] for task in learned["tasks"]].index([2.0])
    np.testing.assert_array_equal(test._mean, learned["mean"][row])
    assert test.get_statistics()["tasks"] == learned["tasks"]


def test_frozen_it_forgets_nothing_at_a_change() -> None:
    env = VectorNormalize(Switching([[0.0]] * 20 + [[2.0]] * 9), at_change="reset")
    env.reset(seed=0)
    for action in actions(15):
        env.step(action)
    env.training = False
    before = env.get_statistics()
    for action in actions(10):
        env.step(action)
    np.testing.assert_array_equal(env.get_statistics()["mean"], before["mean"])


@pytest.mark.parametrize("at_change", ["carry", "per-task"])
def test_it_goes_on_from_its_state(at_change: Any) -> None:
    contexts = [[0.0]] * 9 + [[2.0, 0.0, 2.0, 2.0]] * 30 + [[0.0]] * 50
    one, other = (VectorNormalize(Switching(contexts), at_change=at_change) for _ in range(2))
    one.reset(seed=0)
    other.reset(seed=0)
    for action in actions(21):
        one.step(action)
        other.env.step(action)
    other.set_state(one.get_state())
    for action in actions(60):
        first, second = one.step(action), other.step(action)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"gamma": 1.1}, "gamma must be from 0 to 1"),
        ({"clip": 0}, "clip must be above 0"),
        ({"update_every": 0}, "update_every must be a whole number"),
        ({"at_change": "carri"}, "did you mean 'carry'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        VectorNormalize(worlds(), **settings)
