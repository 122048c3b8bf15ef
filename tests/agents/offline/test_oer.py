from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from everlearn.agents.offline import OER
from everlearn.wrappers.errors import SettingsError

sys.path.insert(0, str(Path(__file__).parent.parent))
from effects import Directions, direction_set  # type: ignore[import-not-found]


def agent(**own: Any) -> OER:
    settings = {
        "steps_per_task": 20,
        "memory_size": 15,
        "batch_size": 16,
        "policy_kwargs": {"net_arch": [16]},
        "seed": 0,
        "device": "cpu",
        **own,
    }
    return OER(Directions(), [direction_set(task, 0, n=200) for task in range(3)], **settings)


def copies(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(module: torch.nn.Module, before: list[torch.Tensor]) -> bool:
    pairs = zip(module.parameters(), before, strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def largest(module: torch.nn.Module, before: list[torch.Tensor]) -> float:
    """Return the largest change of a parameter."""
    pairs = zip(module.parameters(), before, strict=True)
    return max(float((one.detach() - other).abs().max()) for one, other in pairs)


def test_each_task_learns_from_its_own_set_and_leaves_a_memory() -> None:
    learner = agent()
    assert learner.task == 0
    for task in range(3):
        batch = learner._draw().batch
        assert (batch.observations[:, 2 + task] == 1).all()
        learner.learn(20, reset_num_timesteps=False)
        assert [len(memory) for memory in learner.memories] == [15] * (task + 1)
        assert learner.task == min(task + 1, 2)
    # More steps go on with the last set.
    learner.learn(20, reset_num_timesteps=False)
    assert len(learner.memories) == 3


def test_memories_are_of_earlier_tasks_alone() -> None:
    learner = agent()
    assert learner._remember() is None
    learner.learn(40)
    remembered = learner._remember()
    assert remembered is not None
    observations, actions = remembered
    assert observations.shape == (16, 6)
    assert set(observations[:, 2:].argmax(dim=1).tolist()) == {0, 1}
    stored = direction_set(0, 0, n=200)
    own = observations[:, 2] == 1
    known = {tuple(row) for row in np.concatenate([stored.observations, stored.actions], axis=1)}
    assert {tuple(row) for row in torch.cat([observations, actions], dim=1)[own].numpy()} <= known


def test_cloning_moves_neither_critics_nor_the_tasks_own_actor() -> None:
    learner = agent().learn(25)
    policy = learner.policy
    parts = (policy.actor, policy.critic, policy.critic_target, policy.model)
    before = [copies(part) for part in parts]
    clone = copies(policy.continual)
    learner._clone(learner._draw().batch)
    assert all(same(part, own) for part, own in zip(parts, before, strict=True))
    assert not same(policy.continual, clone)


def test_what_belongs_to_a_task_begins_fresh_and_the_clone_goes_on() -> None:
    learner = agent()
    fresh = copies(learner.policy.actor)
    learner.learn(19)
    policy = learner.policy
    actor, clone = copies(policy.actor), copies(policy.continual)
    assert not same(policy.actor, fresh)
    learner.learn(1, reset_num_timesteps=False)
    moved = largest(policy.actor, actor)
    assert moved > 0.05
    assert not policy.actor.optimizer.state
    drift = largest(policy.continual, clone)
    assert 0 < drift < 0.01
    assert policy.continual.optimizer.state


def test_plain_experience_replay_renews_nothing() -> None:
    learner = agent(dual=False, selection="random").learn(20)
    assert learner.policy.actor.optimizer.state
    assert len(learner.memories) == 1


def test_a_schedule_says_which_task_is_replayed() -> None:
    learner = agent(schedule=[[1], [0.0, 1.0]]).learn(40)
    assert learner.task == 2
    observations, _ = learner._remember()  # type: ignore[misc]
    # The last four numbers of an observation tell the task.
    assert set(observations[:, -4:].argmax(dim=1).tolist()) == {1}
    with pytest.raises(SettingsError, match="schedule is of 2 tasks, and the data are of 3"):
        agent(schedule=[[1]])


@pytest.mark.parametrize("selection", ["model", "random", "reward", "coverage"])
def test_every_selection_keeps_rows_of_the_task(selection: Any) -> None:
    learner = agent(selection=selection).learn(20)
    (rows,) = learner.memories
    assert len(set(rows.tolist())) == 15
    assert rows.max() < 200


def test_sets_of_different_shapes_are_refused() -> None:
    other = direction_set(0, 0, n=20)
    narrow = replace(
        other,
        observations=other.observations[:, :5],
        next_observations=other.next_observations[:, :5],
    )
    with pytest.raises(SettingsError, match="cannot be joined"):
        OER(Directions(), [other, narrow], device="cpu")
