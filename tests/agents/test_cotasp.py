"""SAC in a sequence of worlds: what methods are told, and CoTASP, which keeps the earlier ones."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from everlearn.agents import SAC, load_checkpoint, save_checkpoint
from everlearn.agents.cotasp import CoTASP
from everlearn.agents.layers import Part
from everlearn.agents.retention.retention_method import RetentionMethod
from everlearn.agents.retention.task import Task
from everlearn.envs import make_vec_env

STEPS = 24
"""Environment steps of each task; their episodes are cut."""


@dataclass(eq=False, repr=False)
class Listener(RetentionMethod):
    """Writes down what it is told, and what the data is like."""

    name: ClassVar[str] = "listener"

    retraining: int = 0
    """Gradient steps at a task's end."""

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.lines: list[tuple[Any, ...]] = []
        self.steps = 0

    def start_task(self, task: Task, previous: Task | None) -> None:
        before = None if previous is None else (previous.number, self._draw(previous))
        self.lines.append(("start", task.number, task.description, before))

    def end_task(self, task: Task) -> None:
        self.lines.append(("end", task.number, self._draw(task)))
        task.train(self.retraining)

    def after_step(self, part: Part) -> None:
        self.steps += part.name == "actor"

    def _draw(self, task: Task) -> tuple[tuple[int, ...], tuple[int, ...]]:
        examples = task.sample(7, self.generator)
        return tuple(examples.observations.shape), tuple(examples.actions.shape)


def build(methods: Sequence[Any] = (), n_envs: int = 1, **own: Any) -> SAC:
    env = make_vec_env(f"everlearn/CW3-v0:steps_per_task={STEPS}", n_envs, seed=0)
    settings: dict[str, Any] = {
        "learning_starts": 6,
        "batch_size": 8,
        "buffer_size": 500,
        "seed": 0,
        "device": "cpu",
        "policy_kwargs": {"net_arch": [48, 48]},
        "diagnostics": False,
        "backend": "eager",
    }
    return SAC("MlpPolicy", env, methods=methods, **{**settings, **own})


def test_methods_are_told_of_tasks_with_their_descriptions_and_data() -> None:
    agent = build([Listener(retraining=3)])
    agent.learn(2 * STEPS + 10)
    listener: Any = agent.methods[0]
    shapes = (7, 39), (7, 4)
    sentences = ["Press a handle down sideways.", "Rotate the faucet clockwise."]
    assert listener.lines == [
        ("start", 0, sentences[0], None),
        ("end", 0, shapes),
        ("start", 1, sentences[1], (0, shapes)),
        ("end", 1, shapes),
        ("start", 2, "Push and close a window.", (1, shapes)),
    ]


@pytest.mark.parametrize("renews", [False, True])
def test_critics_begin_anew_where_asked(renews: bool) -> None:
    agent = build([cotasp(reset_critics=renews)])
    agent.learn(STEPS - 1)
    before = [p.detach().clone() for p in agent.critic.parameters()]
    agent.learn(1, reset_num_timesteps=False)
    pairs = list(zip(before, agent.critic.parameters(), strict=True))
    assert all(torch.equal(one, other) != renews for one, other in pairs if one.ndim > 1)
    targets = zip(agent.critic_target.parameters(), agent.critic.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in targets) == renews


def test_it_explores_by_earlier_tasks_where_asked() -> None:
    """The mean action of an untrained policy is near 0, and that of uniform ones is not."""
    sizes = {}
    for explore in ("uniform", "previous"):
        agent = build([cotasp(explore=explore)], learning_starts=STEPS - 2, gradient_steps=0)
        with torch.no_grad():
            agent.actor.log_std.weight.zero_()  # type: ignore[operator, union-attr]
            agent.actor.log_std.bias.fill_(-5)  # type: ignore[operator, union-attr]
            agent.actor.mu.weight.mul_(0.01)
        agent.learn(STEPS + 10)
        assert agent.replay_buffer is not None
        sizes[explore] = float(np.abs(agent.replay_buffer.actions[STEPS : STEPS + 10]).mean())
    assert sizes["previous"] < 0.1 < 0.3 < sizes["uniform"]


def cotasp(**own: Any) -> CoTASP:
    settings = {"sparsity": 1e-3, "distillation_steps": 5, "weight_updates": 4, "prompt_updates": 2}
    return CoTASP(**{**settings, **own})


@torch.no_grad()
def answers(agent: SAC, task: int) -> tuple[Tensor, Tensor]:
    """Return the deterministic actions of a task's policy, and random ones, for some states."""
    observations = torch.linspace(-1, 1, 39 * 5).reshape(5, 39)
    with agent.tasks.acting_in({"task": float(task)}):
        chosen = agent.actor(observations, deterministic=True).clone()
        torch.manual_seed(0)
        return chosen, agent.actor(observations, deterministic=False).clone()


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize("first_layer", ["plain", "norm-tanh"])
def test_earlier_tasks_are_acted_in_bit_for_bit(backend: str, first_layer: str) -> None:
    agent = build(
        [cotasp(first_layer=first_layer)],
        backend=backend,
    )
    agent.learn(STEPS)
    first = answers(agent, 0)
    agent.learn(STEPS, reset_num_timesteps=False)
    second = answers(agent, 1)
    agent.learn(STEPS - 1, reset_num_timesteps=False)
    for wanted, task in ((first, 0), (second, 1)):
        got = answers(agent, task)
        assert torch.equal(wanted[0], got[0])
        assert torch.equal(wanted[1], got[1])
    now = answers(agent, 2)
    assert not torch.equal(now[0], first[0])
    assert not torch.equal(now[0], second[0])


def learn_on(agent: SAC, steps: int) -> None:
    agent.learn(steps, reset_num_timesteps=False)


def same(one: SAC, other: SAC) -> bool:
    states = [
        {**agent.policy.state_dict(), **torch.nn.ModuleList(agent.methods).state_dict()}
        for agent in (one, other)
    ]
    assert states[0].keys() == states[1].keys()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_it_goes_on_from_a_checkpoint_in_the_second_task(backend: str, tmp_path: Path) -> None:
    def make() -> SAC:
        return build([cotasp()], backend=backend)

    whole, second = make(), make()
    whole.learn(STEPS + 11)
    save_checkpoint(whole, tmp_path)
    learn_on(whole, STEPS)
    load_checkpoint(tmp_path, second)
    assert second.task_state["present"] == 1
    learn_on(second, STEPS)
    assert second.task_state["present"] == 2
    assert same(whole, second)
    assert torch.equal(answers(whole, 0)[1], answers(second, 0)[1])


def test_a_saved_agent_knows_its_tasks() -> None:
    agent = build([cotasp()]).learn(STEPS + 11)
    file = io.BytesIO()
    agent.save(file)
    loaded = SAC.load(file, device="cpu")
    assert same(agent, loaded)
    assert loaded.task_state == agent.task_state
    assert torch.equal(answers(agent, 0)[1], answers(loaded, 0)[1])
