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
from torch import Tensor, nn

from everlearn.agents import SAC, load_checkpoint, save_checkpoint
from everlearn.agents.cotasp import CoTASP, Owner
from everlearn.agents.layers import Part
from everlearn.agents.prompts.distillation import distill_to_random, divergence_from_random
from everlearn.agents.prompts.embeddings import metaworld_sentences
from everlearn.agents.registry import make_method
from everlearn.agents.retention.retention_method import RetentionMethod, outputs_with
from everlearn.agents.retention.task import Task
from everlearn.agents.supervised import SupervisedLearner, squared_error
from everlearn.envs import make_vec_env
from everlearn.envs.metaworld import CW10
from everlearn.wrappers.errors import SettingsError

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
        actor: Any = agent.actor
        with torch.no_grad():
            actor.log_std.weight.zero_()
            actor.log_std.bias.fill_(-5)
            actor.mu.weight.mul_(0.01)
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


INPUTS = torch.linspace(-1, 1, 39 * 12).reshape(12, 39)
HINTS = [metaworld_sentences()[world] for world in CW10]


def bare(width: int = 64, **own: Any) -> SupervisedLearner:
    """Return a network alone, whose tasks are learned from examples."""
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Linear(39, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()), nn.Linear(width, 4)
    )
    return SupervisedLearner(network, [cotasp(**own)], 0.01, squared_error, seed=0)


def live(learner: SupervisedLearner, number: int, text: str, steps: int) -> None:
    """Learn a task of its own, of random targets."""
    generator = torch.Generator().manual_seed(number)
    targets = torch.rand(12, 4, generator=generator)
    learner.start_task(number, text)
    for _ in range(steps):
        learner.step(INPUTS, targets)
    learner.end_task(INPUTS, targets, batch_size=12)


def masks(learner: SupervisedLearner) -> list[Tensor]:
    (method,) = learner.methods
    assert isinstance(method, CoTASP)
    return [mask.prompt.detach() > 0 for mask in method._masks]


def overlap(first: list[Tensor], second: list[Tensor]) -> float:
    """Return the intersection over union of two tasks' units."""
    one, other = torch.cat(first), torch.cat(second)
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_what_is_frozen_stays_whatever_the_optimizer_does(weight_decay: float) -> None:
    """Weight decay, and an optimizer that keeps its memory, would move it."""
    learner = bare()
    learner.part.optimizer.param_groups[0]["weight_decay"] = weight_decay
    answers, used = [], [torch.zeros(64, dtype=torch.bool)] * 2
    for number in range(4):
        live(learner, number, HINTS[number], steps=12)
        with learner.acting_for(number):
            answers.append(learner.network(INPUTS).detach().clone())
        now = [learner.methods[0].get_buffer(f"used_{layer}") for layer in range(2)]
        for before, after, mask in zip(used, now, masks(learner), strict=True):
            assert torch.equal(after, before | mask)
        used = [each.clone() for each in now]
    for number, answer in enumerate(answers):
        with learner.acting_for(number):
            assert torch.equal(learner.network(INPUTS), answer)
    assert len({float(answer.sum()) for answer in answers}) == 4


def test_units_never_come_on_within_a_task_and_what_is_learned_is_the_tasks_own() -> None:
    learner = bare(weight_updates=3, prompt_updates=3)
    learner.start_task(0, HINTS[0])
    begun, before = masks(learner), [p.detach().clone() for p in learner.part.parameters]
    for step in range(60):
        learner.step(INPUTS, torch.zeros(12, 4))
        assert not any((now & ~was).any() for now, was in zip(masks(learner), begun, strict=True))
        changed = [
            not torch.equal(a, b) for a, b in zip(before, learner.part.parameters, strict=True)
        ]
        # Prompts lie at 2 and 5; they wait for the first three steps.
        if step == 2:
            assert changed == [True, True, False, True, True, False, True, True]
    assert changed[2]
    off = ~begun[0]
    assert torch.equal(learner.part.parameters[0][off], before[0][off])


@pytest.mark.parametrize("reuse", [True, False])
def test_a_task_that_is_described_again_gets_its_units_back(reuse: bool) -> None:
    learner = bare(width=256, sparsity=1e-3, reuse=reuse)
    first = []
    for number in range(5):
        learner.start_task(number, HINTS[number])
        first.append(masks(learner))
        learner.end_task(INPUTS, torch.zeros(12, 4), batch_size=12)
    again = []
    for number in range(3):
        learner.start_task(5 + number, HINTS[number])
        again.append(overlap(masks(learner), first[number]))
        learner.end_task(INPUTS, torch.zeros(12, 4), batch_size=12)
    assert min(again) > (0.9 if reuse else 0.7)
    # "Hammer a screw on the wall." and "Pull a puck to a goal."
    assert overlap(first[0], first[3]) < 0.5


def test_a_number_that_comes_back_is_the_old_task_again() -> None:
    learner = bare()
    for number in (0, 1):
        live(learner, number, HINTS[number], steps=12)
    with learner.acting_for(0):
        answer = learner.network(INPUTS).detach().clone()
    learner.start_task(0, HINTS[0])
    assert torch.equal(learner.network(INPUTS), answer)


def test_a_full_network_says_so_and_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("everlearn.agents.cotasp.notify", told.append)
    learner = bare()
    live(learner, 0, HINTS[0], steps=3)
    with learner.acting_for(0):
        answer = learner.network(INPUTS).detach().clone()
    used = learner.methods[0].get_buffer("used_0")
    used.fill_(True)
    used[:3] = False
    live(learner, 1, HINTS[1], steps=3)
    assert told == ["cotasp has 3 of 64 units of layer 0 left"]
    for layer in range(2):
        learner.methods[0].get_buffer(f"used_{layer}").fill_(True)
    before = [parameter.detach().clone() for parameter in learner.part.parameters]
    live(learner, 2, HINTS[2], steps=10)
    assert told[1].startswith("cotasp has no free unit left in layer 0: earlier tasks are kept")
    assert learner.end_iteration()["continual/cotasp/layer_0/free"] == 0
    # All that is left to learn is the choice of units (2 and 5) and the output's bias (7).
    pairs = zip(before, learner.part.parameters, strict=True)
    assert [torch.equal(one, other) for one, other in pairs] == [
        *(True, True, False, True, True, False, True, False)
    ]
    with learner.acting_for(0):
        assert torch.equal(learner.network(INPUTS), answer)


def test_the_counts_of_units_by_hand() -> None:
    learner = bare(width=8)
    (method,) = learner.methods
    assert isinstance(method, CoTASP)
    for number, prompt in enumerate(([1.0, 1, 0, 0, 0, 0, 0, -1], [0, 1.0, 1, 0, 0, 0, 0, 0])):
        learner.start_task(number, HINTS[number])
        with torch.no_grad():
            method._masks[0].prompt.copy_(torch.tensor(prompt))
        learner.end_task(INPUTS, torch.zeros(12, 4), batch_size=12)
    told = learner.end_iteration()
    tag = "continual/cotasp/layer_0"
    counts = [told[f"{tag}/{what}"] for what in ("active", "used", "shared", "free")]
    assert counts == [2, 3, 1, 5]


def test_what_earlier_tasks_use_is_frozen_by_hand() -> None:
    used = [torch.tensor([True, False]), torch.tensor([True, True, False])]
    assert Owner(0, None).frozen(used).tolist() == [[True], [False]]
    assert Owner(0, None, is_bias=True).frozen(used).tolist() == [True, False]
    assert Owner(1, 0).frozen(used).tolist() == [[True, False], [True, False], [False, False]]
    assert Owner(None, 1).frozen(used).tolist() == [[True, True, False]]


def test_distillation_makes_a_policy_random_again() -> None:
    agent = build([cotasp()], policy_kwargs={"net_arch": [48]})
    (part,) = [part for part in agent.parts if part.name == "actor"]
    with torch.no_grad():
        for parameter in part.parameters[-4:]:
            parameter.add_(0.3)
    generator = torch.Generator().manual_seed(0)
    kept = part.parameters[0].detach().clone()
    free: list[Tensor | None] = [torch.ones_like(p) for p in part.parameters]
    free[0] = None

    def draw() -> Tensor:
        return torch.randn(64, 39, generator=generator)

    def divergence() -> float:
        means, log_stds = outputs_with(part, part.parameters, torch.randn(200, 39))
        return divergence_from_random(means, log_stds).item()

    assert divergence() > 1
    distill_to_random(part, free, draw, steps=400, learning_rate=0.01)
    assert divergence() < 0.05
    assert torch.equal(part.parameters[0], kept)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "crelu",
            "changes the number of units can't have a PromptMask .*: leave out one of the two",
        ),
        ("elephant", "activations that are 0 at 0, such as ReLU, not Elephant"),
        ("layer-norm", "between its masks and the units: leave out one of the two"),
    ],
)
def test_methods_that_do_not_fit_behind_it(name: str, sentence: str) -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(SettingsError, match=sentence):
        SupervisedLearner(network, [cotasp(), make_method(name)], 0.01, squared_error, seed=0)


@pytest.mark.parametrize(
    ("modules", "sentence"),
    [
        ([nn.Linear(3, 8), nn.Sigmoid()], "activations that are 0 at 0, such as ReLU, not Sigmoid"),
        ([nn.Linear(3, 8), nn.LayerNorm(8), nn.ReLU()], "cotasp"),
        ([], "cotasp needs a network with hidden layers"),
    ],
)
def test_networks_that_do_not_fit(modules: list[nn.Module], sentence: str) -> None:
    width = 8 if modules else 3
    with pytest.raises(SettingsError, match=sentence):
        SupervisedLearner(nn.Sequential(*modules, nn.Linear(width, 2)), [cotasp()])
