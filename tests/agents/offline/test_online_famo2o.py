from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from everlearn.agents import load_checkpoint, save_checkpoint
from everlearn.agents.offline import FamO2O, OnlineFamO2O
from everlearn.agents.offline.family_steps import move_family
from everlearn.agents.replay.donor import begin_from
from everlearn.agents.replay.transitions import Transitions
from everlearn.agents.sac.losses import Batch
from everlearn.wrappers.errors import SettingsError

NETWORKS: dict[str, Any] = {"policy_kwargs": {"net_arch": [16]}, "device": "cpu", "seed": 0}


def data(n: int = 60, reward: float = 7.0) -> Transitions:
    generator = np.random.default_rng(0)
    states, actions = (generator.uniform(-1, 1, (n, d)).astype(np.float32) for d in (3, 1))
    ends = np.ones(n, np.bool_)
    return Transitions(states, actions, np.full(n, reward, np.float32), states, ends, ends)


def online(given: Transitions | None = None, **own: Any) -> OnlineFamO2O:
    settings = {"buffer_size": 500, "batch_size": 16, "iteration_steps": 20, **NETWORKS, **own}
    return OnlineFamO2O("Pendulum-v1", given, (2.0, 6.0), **settings)


def same(one: Any, other: Any) -> bool:
    ours, theirs = one.policy.state_dict(), other.policy.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_it_begins_with_all_that_was_learned(tmp_path: Path) -> None:
    family = FamO2O("Pendulum-v1", data(), (2.0, 6.0), batch_size=16, **NETWORKS).learn(30)
    family.save(tmp_path / "model.zip")
    agent = online(seed=1)
    assert not same(agent, family)
    begin_from(agent, tmp_path)
    assert same(agent, family)
    batch = Batch(*(torch.ones(4, d) for d in (3, 1, 3)), *(torch.ones(4) for _ in range(3)))
    for one in (agent, family):
        # The optimizers' memory, too.
        torch.manual_seed(0)
        move_family(one.policy, batch, 0.7, "balance", 0.005)
    assert same(agent, family)


def test_a_step_is_famo2os_at_the_balance_models_coefficients() -> None:
    agent = online(data(), replay_ratio=0.0).learn(20)
    family = FamO2O("Pendulum-v1", data(), (2.0, 6.0), **NETWORKS)
    family.policy.load_state_dict(agent.policy.state_dict())
    assert agent.replay_buffer is not None
    np.random.seed(0)
    samples = agent.replay_buffer.sample(16)
    columns = [samples.observations, samples.actions, samples.next_observations]
    rest = [samples.dones.flatten(), samples.rewards.flatten(), torch.full((16,), 0.99)]
    torch.manual_seed(1)
    move_family(family.policy, Batch(*columns, *rest), 0.7, "balance", 0.005)
    np.random.seed(0)
    torch.manual_seed(1)
    agent.train(1, 16)
    assert same(agent, family)


def test_the_set_and_own_steps_are_drawn_alike() -> None:
    agent = online(data(60), replay_ratio=0.0).learn(40)
    buffer: Any = agent.replay_buffer
    assert (len(buffer.sources["data"]), buffer.size()) == (60, 40)
    drawn = [(buffer.sample(16).rewards == 7).float().mean().item() for _ in range(300)]
    # 60 of 100; the deviation of the mean is at most 0.0071.
    assert np.mean(drawn) == pytest.approx(0.6, abs=0.03)
    assert len(set(drawn)) == 2
    alone = online(None, replay_ratio=0.0).learn(40)
    assert alone.replay_buffer is not None
    assert not (alone.replay_buffer.sample(64).rewards == 7).any()


def test_learning_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    whole = online(data()).learn(40)
    save_checkpoint(whole, tmp_path)
    whole.learn(40, reset_num_timesteps=False)
    again = online(data())
    load_checkpoint(tmp_path, again)
    again.learn(40, reset_num_timesteps=False)
    assert (again.num_timesteps, again.iteration, again._n_updates) == (80, 4, 80)
    assert same(whole, again)


def test_the_zip_acts(tmp_path: Path) -> None:
    agent = online(data(), replay_ratio=0.5).learn(40)
    assert agent._n_updates == 20
    agent.save(tmp_path / "model.zip")
    loaded = OnlineFamO2O.load(tmp_path / "model.zip", device="cpu")
    assert same(agent, loaded)
    observations = np.random.default_rng(0).uniform(-1, 1, (10, 3)).astype(np.float32)
    ours, theirs = (a.predict(observations, deterministic=True)[0] for a in (agent, loaded))
    assert np.array_equal(ours, theirs)
    assert list(loaded.policy.coefficients) == [2.0, 6.0]


def test_what_cannot_be() -> None:
    with pytest.raises(SettingsError, match="the smaller first, not 6 and 2"):
        OnlineFamO2O("Pendulum-v1", None, (6, 2))
    with pytest.raises(SettingsError, match="expectile must be more than 0"):
        online(expectile=0.0)
