"""What holds for every agent that learns from transitions alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from everlearn.agents import SAC, load_checkpoint, save_checkpoint
from everlearn.agents.offline import CQL, IQL, OER, FamO2O
from everlearn.agents.replay.donor import begin_from
from everlearn.agents.replay.pieces import Pieces
from everlearn.agents.replay.transitions import Transitions
from everlearn.wrappers.errors import SettingsError


class Nowhere(gymnasium.Env[Any, Any]):
    """A world that only says what observations and actions are like."""

    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Box(-1, 1, (1,))

    def reset(self, **settings: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(**settings)
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        raise AssertionError("agents without a world take no steps")


def bandit(n: int = 2000, seed: int = 0) -> Transitions:
    """Return single steps of random actions, best where they equal half the first observation."""
    generator = np.random.default_rng(seed)
    observations = generator.uniform(-1, 1, (n, 2)).astype(np.float32)
    actions = generator.uniform(-1, 1, (n, 1)).astype(np.float32)
    rewards = -10 * (actions[:, 0] - observations[:, 0] / 2) ** 2
    ends = np.ones(n, np.bool_)
    return Transitions(observations, actions, rewards, observations, ends, ends)


AGENTS: dict[str, Callable[..., Any]] = {
    "iql": lambda data, **own: IQL(Nowhere(), data, **shared(own)),
    "cql": lambda data, **own: CQL(Nowhere(), data, n_actions=3, **shared(own)),
    "cal-ql": lambda data, **own: CQL(
        Nowhere(), data, n_actions=3, calibrated=True, max_backup=True, **shared(own)
    ),
    "famo2o": lambda data, **own: FamO2O(Nowhere(), data, **shared(own)),
    "oer": lambda data, **own: OER(
        Nowhere(), [data, data.take(np.arange(300))], 30, 20, **shared(own)
    ),
    "er": lambda data, **own: OER(
        Nowhere(), [data, data], 30, 20, "random", dual=False, **shared(own)
    ),
}
STOCHASTIC = ["iql", "cql", "cal-ql", "famo2o"]


def shared(own: dict[str, Any]) -> dict[str, Any]:
    return {
        "batch_size": 32,
        "iteration_steps": 20,
        "policy_kwargs": {"net_arch": [16, 16]},
        "seed": 1,
        "device": "cpu",
        **own,
    }


def parameters(agent: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in agent.policy.parameters()])


@pytest.mark.parametrize("name", AGENTS)
def test_learning_goes_on_to_the_last_bit(name: str, tmp_path: Path) -> None:
    whole = AGENTS[name](bandit()).learn(40)
    save_checkpoint(whole, tmp_path)
    whole.learn(40, reset_num_timesteps=False)
    again = AGENTS[name](bandit())
    load_checkpoint(tmp_path, again)
    again.learn(40, reset_num_timesteps=False)
    assert (again.num_timesteps, again.iteration, again._n_updates) == (80, 4, 80)
    assert torch.equal(parameters(whole), parameters(again))


@pytest.mark.parametrize("name", ["iql", "oer"])
def test_data_may_lie_in_files(name: str) -> None:
    data = bandit(400)
    columns = ("observations", "actions", "next_observations")
    parts = {column: np.split(getattr(data, column), [100, 101, 350]) for column in columns}
    lazy: Any = {column: Pieces(part) for column, part in parts.items()}
    agents = [AGENTS[name](one).learn(40) for one in (data, replace(data, **lazy))]
    assert torch.equal(*map(parameters, agents))


@pytest.mark.parametrize("name", AGENTS)
def test_the_zip_acts_without_data(name: str, tmp_path: Path) -> None:
    agent = AGENTS[name](bandit()).learn(20)
    agent.save(tmp_path / "model.zip")
    loaded = type(agent).load(tmp_path / "model.zip", device="cpu")
    observations = np.random.default_rng(0).uniform(-1, 1, (10, 2)).astype(np.float32)
    ours, theirs = (a.predict(observations, deterministic=True)[0] for a in (agent, loaded))
    assert np.array_equal(ours, theirs)
    drawn = loaded.predict(observations)[0]
    assert np.array_equal(ours, drawn) == (name not in STOCHASTIC)
    assert np.abs(drawn).max() <= 1
    with pytest.raises(SettingsError, match="needs data to learn from"):
        loaded.learn(10)


@pytest.mark.parametrize("name", AGENTS)
def test_every_network_that_learns_moves(name: str) -> None:
    agent = AGENTS[name](bandit())
    before = {key: value.clone() for key, value in agent.policy.state_dict().items()}
    agent.learn(20)
    after = agent.policy.state_dict()
    still = {key for key in before if torch.equal(before[key], after[key])}
    fixed = {"actor.log_std.weight"} if name in ("iql", "famo2o") else set()
    # Without the second actor nothing learns it.
    fixed |= {key for key in before if key.startswith("continual.") and name == "er"}
    assert still == fixed
    assert all(parameter.isfinite().all() for parameter in agent.policy.parameters())


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        pytest.param(name, seed, marks=() if (name, seed) == ("iql", 0) else pytest.mark.slow)
        for name in STOCHASTIC
        for seed in range(3)
    ],
)
def test_it_finds_the_best_action_in_random_data(name: str, seed: int) -> None:
    own: dict[str, Any] = {"learning_rate": 3e-3, "seed": seed}
    if name in ("cql", "cal-ql"):
        own["actor_learning_rate"] = 3e-3
    agent = AGENTS[name](bandit(), **own).learn(400)
    observations = np.random.default_rng(1).uniform(-1, 1, (500, 2)).astype(np.float32)
    actions = agent.predict(observations, deterministic=True)[0][:, 0]
    # Imitation alone has an error of 0.29, that of the mean action.
    assert np.abs(actions - observations[:, 0] / 2).mean() < 0.15


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: IQL(Nowhere(), bandit(), expectile=1.0), "expectile must be more than 0 and"),
        (lambda: IQL(Nowhere(), bandit(), temperature=-1.0), "temperature must be 0 or more"),
        (lambda: CQL(Nowhere(), bandit(), weight=-1.0), "weight must be 0 or more, not -1"),
        (lambda: CQL(Nowhere(), bandit(), n_actions=0), "n_actions must be 1 or more, not 0"),
        (lambda: IQL(Nowhere(), bandit(), gamma=1.5), "gamma must be from 0 to 1, not 1.5"),
        (lambda: IQL(Nowhere(), bandit(), batch_size=0), "batch_size must be 1 or more, not 0"),
        (
            lambda: IQL("Pendulum-v1", bandit()),
            r"shapes \(\(2,\), \(1,\)\), not \(\(3,\), \(1,\)\)",
        ),
        (lambda: IQL(Nowhere(), bandit(0)), "the data need at least one transition"),
    ],
)
def test_what_cannot_be(build: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build()


def sac(**own: Any) -> SAC:
    own = {"policy_kwargs": {"net_arch": [16, 16]}, "device": "cpu", "seed": 3, **own}
    return SAC("MlpPolicy", Nowhere(), buffer_size=10, **own)


@pytest.mark.parametrize("name", ["iql", "cql", "cal-ql"])
def test_sac_starts_from_it(name: str, tmp_path: Path) -> None:
    agent = AGENTS[name](bandit()).learn(40)
    agent.save(tmp_path / "model.zip")
    online = sac()
    begin_from(online, tmp_path)
    observations = np.random.default_rng(0).uniform(-1, 1, (10, 2)).astype(np.float32)
    ours, theirs = (a.predict(observations, deterministic=True)[0] for a in (agent, online))
    assert np.allclose(ours, theirs, atol=1e-6)
    for mine, its in zip(online.critic.parameters(), agent.policy.critic.parameters(), strict=True):
        assert torch.equal(mine, its)
    if name != "iql":
        assert online.log_ent_coef is not None
        assert torch.equal(online.log_ent_coef, agent.log_ent_coef)
        assert online.log_ent_coef.item() != 0
        ours, theirs = (a.critic.optimizer.state_dict()["state"] for a in (online, agent))
        assert torch.equal(ours[0]["exp_avg"], theirs[0]["exp_avg"])
    assert online.replay_buffer is not None
    assert online.replay_buffer.size() == 0


def test_sac_cannot_start_from_what_does_not_fit(tmp_path: Path) -> None:
    AGENTS["cql"](bandit()).save(tmp_path / "model.zip")
    with pytest.raises(
        SettingsError, match=r"cannot begin from the agent .* whose networks are others"
    ):
        begin_from(sac(policy_kwargs={"net_arch": [8, 8]}), tmp_path)
    AGENTS["famo2o"](bandit()).save(tmp_path / "model.zip")
    with pytest.raises(SettingsError, match="cannot begin from the agent"):
        begin_from(sac(), tmp_path)
