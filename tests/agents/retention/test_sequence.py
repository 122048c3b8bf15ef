from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from everlearn.agents import PPO, SAC, Method, load_checkpoint, save_checkpoint
from everlearn.agents.experience import Experience
from everlearn.agents.registry import make_method
from everlearn.envs import Stream, make_vec_env
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import Periodic
from everlearn.wrappers.values import Values

LENGTH = 48


def worlds(labels: Any = "always", values: tuple[float, ...] = (1.0, 2.0, 3.0)) -> Any:
    change = Change("pendulum-gravity", Values(values), Periodic(LENGTH))
    stream = Stream("everlearn/Tasks-v0", ("Pendulum-v1",), (change,), boundary_labels=labels)
    return make_vec_env(stream, 1, seed=0)


def build(kind: Any, *methods: Method, env: Any = None, **own: Any) -> Any:
    common: dict[str, Any] = {"seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [16, 16]}}
    if kind is SAC:
        common |= {"learning_starts": 8, "batch_size": 16, "buffer_size": 200}
    else:
        common |= {"n_steps": 32, "batch_size": 16, "n_epochs": 2}
    return kind("MlpPolicy", env or worlds(), methods=methods, **{**common, **own})


def answers(agent: Any, task: int) -> list[np.ndarray]:
    """Return what an agent does in a task, without and with randomness."""
    observations = np.random.RandomState(0).randn(20, 3).astype(np.float32)
    with agent.tasks.acting_in({"pendulum-gravity": task + 1.0}):
        torch.manual_seed(0)
        return [agent.predict(observations, deterministic=sure)[0] for sure in (True, False)]


EXACT: dict[str, dict[str, Any]] = {
    "packnet": {"n_tasks": 4, "retrain_steps": 4},
    "wsn": {"share": 0.4},
    "tail": {"rank": 2},
}


@pytest.mark.parametrize("kind", [SAC, PPO])
@pytest.mark.parametrize("name", EXACT)
def test_old_tasks_are_acted_in_bit_for_bit_with_and_without_randomness(
    kind: Any, name: str
) -> None:
    env = worlds(values=(1.0, 2.0, 3.0, 4.0))
    agent = build(kind, make_method("multi-head"), make_method(name, **EXACT[name]), env=env)
    snapshots: list[list[np.ndarray]] = []
    # Until a little after each change.
    for steps in (64, 32, 64):
        agent.learn(steps, reset_num_timesteps=not snapshots)
        while len(snapshots) < agent.task_state["present"]:
            snapshots.append(answers(agent, len(snapshots)))
        for earlier, wanted in enumerate(snapshots):
            found = answers(agent, earlier)
            assert all(np.array_equal(one, two) for one, two in zip(found, wanted, strict=True))
    assert len(snapshots) == 3
    assert not np.array_equal(snapshots[0][0], snapshots[1][0])
    assert not np.array_equal(snapshots[0][0], snapshots[0][1])


def test_sac_begins_a_task_with_an_empty_buffer_and_random_actions() -> None:
    agent = build(SAC, make_method("fine-tuning"))
    updates = []
    for step in range(1, 2 * LENGTH + 1):
        agent.learn(1, reset_num_timesteps=step == 1)
        updates.append(agent._n_updates)
        expected = step if step < LENGTH else (step - LENGTH) % LENGTH
        assert agent.replay_buffer.size() == expected, step
    # Without updates during the first 8 steps of either task, and at the one that ended the first.
    assert updates[:8] == [0] * 8
    assert updates[8 : LENGTH - 1] == list(range(1, LENGTH - 8))
    assert updates[LENGTH - 1 : LENGTH + 8] == [LENGTH - 9] * 9
    assert updates[LENGTH + 8] == LENGTH - 8


@pytest.mark.parametrize("keeps", [True, False])
def test_what_is_kept_goes_on(keeps: bool) -> None:
    asked = dict.fromkeys(("keep_replay", "keep_optimizer", "keep_temperature"), keeps)
    agent = build(SAC, make_method("fine-tuning", **asked)).learn(LENGTH)
    assert agent.task_state["present"] == 1
    assert (agent.replay_buffer.size() == LENGTH) is keeps
    assert bool(agent.actor.optimizer.state) is keeps
    assert (agent.log_ent_coef.item() != 0) is keeps


def test_perfect_memory_keeps_the_buffer_and_needs_one() -> None:
    agent = build(SAC, make_method("perfect-memory")).learn(2 * LENGTH)
    assert agent.replay_buffer.size() == 2 * LENGTH
    with pytest.raises(SettingsError, match="'perfect-memory' needs an agent that learns from a"):
        build(PPO, make_method("perfect-memory"))


def test_a_context_that_comes_again_is_its_old_task() -> None:
    agent = build(SAC, make_method("multi-head"))
    numbers = []
    for call in range(5):
        agent.learn(LENGTH, reset_num_timesteps=call == 0)
        numbers.append(agent.task_state["present"])
    assert numbers == [1, 2, 0, 1, 2]
    assert [each["pendulum-gravity"] for each in agent.task_state["contexts"]] == [1.0, 2.0, 3.0]


@dataclass(eq=False, repr=False)
class Alarm(Method):
    """Notices a change at the 20th step."""

    name: ClassVar[str] = "alarm"

    def notices(self, experience: Experience) -> bool:
        self.seen = getattr(self, "seen", 0) + 1
        return self.seen == 20


def test_a_stream_that_does_not_tell_is_one_task_and_its_context_stays_hidden() -> None:
    agent = build(SAC, make_method("multi-head"), env=worlds("none")).learn(2 * LENGTH)
    assert agent.task_state["contexts"] == [None]
    noticing = build(SAC, Alarm(), make_method("multi-head"), env=worlds("none")).learn(LENGTH)
    assert noticing.task_state["contexts"] == [None, None]


def test_ppo_changes_tasks_after_the_update_in_whose_rollout_it_was_told() -> None:
    agent = build(PPO, make_method("multi-head"), n_steps=64, batch_size=32)
    agent.learn(64)
    assert agent.task_state["present"] == 1
    examples = agent._draw_examples(500, torch.Generator().manual_seed(0))
    assert examples.observations.shape == (500, 3)
    known = {tuple(row) for row in agent.rollout_buffer.observations.reshape(-1, 3).tolist()}
    assert {tuple(row) for row in examples.observations.tolist()} <= known


def test_a_checkpoint_after_the_buffer_was_emptied_brings_back_the_rest(tmp_path: Path) -> None:
    whole = build(SAC, make_method("clonex", memory_size=20, batch_size=8, coefficient=1.0))
    whole.learn(LENGTH - 8)
    save_checkpoint(whole, tmp_path)
    # Emptied, and filled again beyond where the checkpoint was.
    whole.learn(LENGTH, reset_num_timesteps=False)
    save_checkpoint(whole, tmp_path)
    whole.learn(LENGTH, reset_num_timesteps=False)
    second = build(SAC, make_method("clonex", memory_size=20, batch_size=8, coefficient=1.0))
    load_checkpoint(tmp_path, second)
    second.learn(LENGTH, reset_num_timesteps=False)
    assert second.task_state == whole.task_state
    for one, two in zip(whole.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(one, two)


def test_acting_in_a_task_leaves_no_trace() -> None:
    agent = build(SAC, make_method("multi-head"), make_method("packnet", retrain_steps=0))
    agent.learn(2 * LENGTH + 20)
    before = [parameter.detach().clone() for parameter in agent.policy.parameters()]
    answers(agent, 0)
    answers(agent, 6)
    for own, parameter in zip(before, agent.policy.parameters(), strict=True):
        assert torch.equal(own, parameter)
