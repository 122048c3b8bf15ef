"""All back ends make the reference's gradient steps, and have options that it has not."""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.utils import LinearSchedule
from torch import Tensor, nn

from everlearn.agents import SAC, ContinualBackprop, Method
from everlearn.agents.layers import Part
from everlearn.agents.registry import make_method, parse_method
from everlearn.wrappers.errors import SettingsError

Make = Callable[..., Any]


class Plane(gymnasium.Env[Any, Any]):
    """A world with two actions."""

    observation_space = spaces.Box(-1, 1, (3,))
    action_space = spaces.Box(-2, 2, (2,))

    def reset(self, **settings: Any) -> Any:
        super().reset(**settings)
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(3, np.float32), 0.0, False, False, {}


@pytest.fixture
def make(build: Callable[..., Any]) -> Iterator[Make]:
    """Make an agent with something to learn from, and generators that are always the same."""
    before = torch.get_default_dtype()

    def make_agent(backend: str = "eager", dtype: torch.dtype = torch.float32, **own: Any) -> Any:
        torch.set_default_dtype(dtype)
        own = {"batch_size": 32, "buffer_size": 200, "learning_starts": 0, **own}
        agent = build(SAC, Plane(), backend=backend, **own)
        agent.set_logger(Logger(None, []))
        random = np.random.default_rng(0)
        begin = random.normal(size=(201, 1, 3))
        for now, after in itertools.pairwise(begin):
            action, reward = random.uniform(-1, 1, (1, 2)), random.normal(size=1)
            agent.replay_buffer.add(now, after, action, reward, random.random(1) < 0.1, [{}])
        if dtype == torch.float64:
            make_double(agent)
        torch.manual_seed(0)
        np.random.seed(0)
        return agent

    yield make_agent
    torch.set_default_dtype(before)


def make_double(agent: Any) -> None:
    """Let stable-baselines3's update compute in double precision, which no option offers."""
    sample = agent.replay_buffer.sample
    agent.replay_buffer.sample = lambda *args, **kwargs: type(batch := sample(*args, **kwargs))(
        *(None if column is None else column.double() for column in batch)
    )
    for network in (agent.actor, agent.critic, agent.critic_target):
        network.features_extractor.register_forward_pre_hook(
            lambda module, inputs: (inputs[0].double(),)
        )


def distances(one: Any, other: Any) -> list[float]:
    """Return how far apart two agents' networks are, relative to their size."""
    found = []
    for name in ("actor", "critic", "critic_target"):
        wanted, got = (
            torch.cat([p.detach().flatten() for p in getattr(agent, name).parameters()])
            for agent in (one, other)
        )
        found.append(((wanted - got).norm() / wanted.norm()).item())
    return found


@dataclass(eq=False, repr=False)
class Pull(Method):
    """A penalty on one part, absent on the others."""

    name: ClassVar[str] = "pull"

    def penalty(self, part: Part) -> Tensor | None:
        if part.name == "critic_0":
            return None
        return 0.3 * torch.stack([p.square().sum() for p in part.parameters]).sum()


@dataclass(eq=False, repr=False)
class Shrink(Method):
    """Changes parameters and resets the optimizer's memory, from features and gradients."""

    name: ClassVar[str] = "shrink"
    needs_features: ClassVar[bool] = True
    needs_gradients: ClassVar[bool] = True

    def after_step(self, part: Part) -> None:
        for layer in part.hidden:
            assert layer.features is not None
            weight = layer.incoming.weight
            assert weight.grad is not None
            weight.mul_(1 - 1e-3 * layer.features.abs().mean(dim=0).unsqueeze(1))
            weight.sub_(1e-2 * weight.grad)
            part.reset_optimizer(weight, 0)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"target_update_interval": 2, "learning_rate": LinearSchedule(1e-3, 1e-4, 1.0)},
    {"ent_coef": 0.1, "gamma": 0.9, "tau": 0.1, "n_steps": 3},
    {"policy_kwargs": {"net_arch": [8, 4], "activation_fn": nn.Tanh, "n_critics": 3}},
    {
        "policy_kwargs": {
            "net_arch": {"pi": [8], "qf": [6, 6]},
            "activation_fn": nn.LeakyReLU,
            "optimizer_kwargs": {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01},
        }
    },
    {"layer_norm": "both"},
    {
        "layer_norm": "both",
        "residual_blocks": True,
        # Blocks add up to large actions, whose densities round more, and ReLU has a kink.
        "learning_rate": 1e-4,
        "policy_kwargs": {"net_arch": [8, 8, 8], "activation_fn": nn.Tanh},
    },
    {"policy_kwargs": {"optimizer_class": torch.optim.SGD, "net_arch": [8]}},
    {"policy_kwargs": {"optimizer_kwargs": {"amsgrad": True}}, "methods": [Pull(), Shrink()]},
    {"methods": [Pull()]},
    {"methods": [Shrink()]},
    {"methods": [ContinualBackprop(replacement_rate=0.05, maturity=3), Pull()]},
    {"methods": [make_method("upgd", noise=0.1), Pull(), Shrink()]},
    {"methods": [make_method("lion"), make_method("infinite-schedule", warmup_steps=1000)]},
    {"methods": [make_method("cautious"), Shrink()]},
]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=["32", "64"]
)
@pytest.mark.parametrize("settings", SETTINGS)
def test_eager_steps_are_the_references(
    settings: dict[str, Any], dtype: torch.dtype, tolerance: float, make: Make
) -> None:
    agents = []
    for backend in ("reference", "eager"):
        agents.append(make(backend, dtype, **settings))
        assert agents[-1].backend_in_use == backend
        agents[-1].train(20, 32)
    assert max(distances(*agents)) < tolerance
    one, other = (agent.logger.name_to_value for agent in agents)
    assert one.keys() == other.keys()
    for tag, value in one.items():
        assert other[tag] == pytest.approx(value, rel=1e-3, abs=1e-5), tag


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=["32", "64"]
)
@pytest.mark.parametrize("settings", SETTINGS)
def test_compiled_steps_are_the_references(
    settings: dict[str, Any], dtype: torch.dtype, tolerance: float, make: Make
) -> None:
    agents = []
    for backend in ("reference", "compiled"):
        agents.append(make(backend, dtype, **settings))
        assert agents[-1].backend_in_use == backend
        agents[-1].train(20, 32)
    assert max(distances(*agents)) < tolerance
    known = [f for each in agents[1]._learner._compiled.values() for f in each.values()]
    functions = [function for function in known if function.seconds is not None]
    assert functions
    assert not any(function.failed for function in functions)


@pytest.mark.parametrize(
    ("n_envs", "own"),
    [
        (1, {}),
        (2, {}),
        (1, {"train_freq": (3, "step"), "gradient_steps": -1, "optimize_memory_usage": True}),
        (1, {"action_noise": NormalActionNoise(np.zeros(1), 0.1 * np.ones(1)), "n_steps": 2}),
    ],
)
def test_a_whole_run_is_the_references(
    n_envs: int, own: dict[str, Any], build: Callable[..., Any]
) -> None:
    if own.get("optimize_memory_usage"):
        # stable-baselines3's memory-saving buffer cannot bootstrap at time limits.
        own = {**own, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
    agents = [
        build(SAC, make_vec_env("Pendulum-v1", n_envs, seed=0), backend=backend, **own).learn(250)
        for backend in ("reference", "eager")
    ]
    assert agents[0]._n_updates == agents[1]._n_updates
    assert max(distances(*agents)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "shows"),
    [
        ("adaptive-replay-ratio:low=0.5,high=2,check_every=1,gap=1,min_checks=1", "replay/ratio"),
        (
            "causality-aware-entropy:every_steps=100,samples=100,estimator=least-squares",
            "replay/entropy_weight/1",
        ),
        ("warm-start:steps=100,ratio=2", "replay/ratio"),
    ],
)
def test_what_adapts_replay_is_the_same_compiled(
    text: str, shows: str, build: Callable[..., Any]
) -> None:
    agents = [
        build(SAC, "Reacher-v5", backend=backend, methods=[parse_method(text)]).learn(250)
        for backend in ("reference", "compiled")
    ]
    assert [agent.backend_in_use for agent in agents] == ["reference", "compiled"]
    assert agents[0]._n_updates == agents[1]._n_updates > 0
    assert max(distances(*agents)) < 1e-4
    found = [agent.logger.name_to_value[shows] for agent in agents]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0] != 1


def test_bfloat16_products_come_close(make: Make) -> None:
    wide = {"net_arch": [64, 64]}
    full, half = (make(bfloat16=on, policy_kwargs=wide) for on in (False, True))
    start = full._learner.critic.values.clone()
    for agent in (full, half):
        torch.manual_seed(0)
        np.random.seed(0)
        agent.train(20, 32)
    assert half.critic.q_networks[0][2].weight.dtype == torch.float32
    moved = (full._learner.critic.values - start).norm()
    apart = (full._learner.critic.values - half._learner.critic.values).norm()
    assert 0 < apart < 0.3 * moved


def test_actions_are_those_that_predict_would_draw(make: Make) -> None:
    agent = make()
    observations = np.random.default_rng(0).normal(size=(1, 3)).astype(np.float32)
    torch.manual_seed(0)
    wanted, _ = agent.predict(observations)
    torch.manual_seed(0)
    actions = agent.policy.unscale_action(agent._learner.act(observations))
    np.testing.assert_allclose(actions, wanted, rtol=1e-5, atol=1e-6)


def test_targets_follow_at_every_interval_of_the_run(make: Make) -> None:
    agent = make(target_update_interval=3)
    moved = []
    for _ in range(7):
        before = agent._learner.target.clone()
        agent.train(1, 32)
        moved.append(not torch.equal(agent._learner.target, before))
    assert moved == [True, False, False, True, False, False, True]


def test_the_actor_waits_for_the_critics(make: Make) -> None:
    agent = make(actor_delay=3)
    moved = []
    for _ in range(7):
        before = [agent._learner.actor.values.clone(), agent.log_ent_coef.detach().clone()]
        critic = agent._learner.critic.values.clone()
        agent.train(1, 32)
        after = [agent._learner.actor.values, agent.log_ent_coef]
        moved.append([not torch.equal(*pair) for pair in zip(before, after, strict=True)])
        assert not torch.equal(agent._learner.critic.values, critic)
    assert moved == [[wanted] * 2 for wanted in (True, False, False, True, False, False, True)]
    state = agent.actor.optimizer.state_dict()["state"][0]
    assert state["step"] == 3


def constant(agent: Any, targets: list[float], critics: list[float]) -> None:
    """Let each network say the same of all actions."""
    with torch.no_grad():
        for network, values in ((agent.critic_target, targets), (agent.critic, critics)):
            for q_network, value in zip(network.q_networks, values, strict=True):
                q_network[-1].weight.zero_()
                q_network[-1].bias.fill_(value)
    agent.replay_buffer.rewards[:] = 0
    agent.replay_buffer.dones[:] = False


def logged(agent: Any, name: str) -> float:
    agent.train(1, 32)
    return agent.logger.name_to_value[f"train/{name}"]


def test_a_random_subset_of_critics_gives_the_target(make: Make) -> None:
    kwargs = {"net_arch": [8], "n_critics": 3}
    losses = []
    for seed in range(30):
        agent = make(policy_kwargs=kwargs, target_critics=2, ent_coef=0.0, gamma=1.0)
        constant(agent, [1, 2, 3], [0, 0, 0])
        torch.manual_seed(seed)
        losses.append(round(logged(agent, "critic_loss"), 4))
    # Half of three squares: of 1 where the first critic is among the two, and else of 2.
    assert set(losses) == {1.5, 6.0}
    assert 12 <= losses.count(1.5) <= 27


def test_the_actor_may_raise_the_mean(make: Make) -> None:
    kwargs = {"net_arch": [8], "n_critics": 3}
    found = []
    for actor_value in ("min", "mean"):
        agent = make(
            policy_kwargs=kwargs, actor_value=actor_value, ent_coef=0.0, learning_rate=1e-9
        )
        constant(agent, [0, 0, 0], [1, 2, 6])
        found.append(logged(agent, "actor_loss"))
    assert found == pytest.approx([-1, -3], abs=1e-4)


def test_the_mean_may_be_the_target(make: Make) -> None:
    kwargs = {"net_arch": [8], "n_critics": 3}
    found = []
    for target_value in ("min", "mean"):
        agent = make(policy_kwargs=kwargs, target_value=target_value, ent_coef=0.0, gamma=1.0)
        constant(agent, [1, 2, 6], [0, 0, 0])
        found.append(logged(agent, "critic_loss"))
    # Half of three squares, of 1 or of 3, with rewards of 0.
    assert found == pytest.approx([1.5, 13.5], abs=1e-4)


def test_entropy_may_be_left_out_of_the_targets(make: Make) -> None:
    found = []
    for entropy_backup in (False, True):
        agent = make(entropy_backup=entropy_backup, ent_coef=5.0, gamma=1.0)
        constant(agent, [2, 2], [0, 0])
        found.append(logged(agent, "critic_loss"))
    assert found[0] == pytest.approx(4)
    assert found[1] > 5


def test_entropy_weights(make: Make) -> None:
    plain, ones = make(), make(entropy_weights=[1, 1])
    for agent in (plain, ones):
        torch.manual_seed(0)
        np.random.seed(0)
        agent.train(10, 32)
    assert distances(plain, ones) == [0, 0, 0]
    entropies = {}
    for weights in ((2, 0), (0, 2), (0, 0)):
        agent = make(entropy_weights=weights, ent_coef=1.0, learning_rate=1e-9)
        constant(agent, [0, 0], [0, 0])
        entropies[weights] = logged(agent, "actor_loss")
    agent = make(ent_coef=1.0, learning_rate=1e-9)
    constant(agent, [0, 0], [0, 0])
    assert entropies[0, 0] == pytest.approx(0, abs=1e-6)
    assert entropies[2, 0] != pytest.approx(entropies[0, 2], rel=1e-3)
    mean = (entropies[2, 0] + entropies[0, 2]) / 2
    assert mean == pytest.approx(logged(agent, "actor_loss"), rel=1e-4)


def test_what_others_put_in_place_is_taken_over(make: Make) -> None:
    agent, other = make(), make()
    agent.train(5, 32)
    other.set_parameters(copy.deepcopy(agent.get_parameters()))
    other.log_ent_coef.data = agent.log_ent_coef.detach().clone()
    other._n_updates = agent._n_updates
    for each in (agent, other):
        torch.manual_seed(1)
        np.random.seed(1)
        each.train(5, 32)
    assert distances(agent, other) == [0, 0, 0]
    assert torch.equal(agent.log_ent_coef, other.log_ent_coef)
    assert other.critic.optimizer.state_dict()["state"][3]["step"] == 10


class Named(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self) -> None:
        super().__init__(Plane())
        self.observation_space = spaces.Dict({"all": self.env.observation_space})

    def observation(self, observation: Any) -> Any:
        return {"all": observation}


@pytest.mark.parametrize(
    ("env", "own", "reason"),
    [
        (Plane(), {"use_sde": True}, "state-dependent exploration"),
        (Plane(), {"policy_kwargs": {"net_arch": []}}, "does not begin with a linear map"),
        (Named(), {}, "Dict observations"),
    ],
)
def test_what_cannot_be_fast_runs_on_the_reference(
    env: Any, own: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    policy = "MultiInputPolicy" if isinstance(env, Named) else "MlpPolicy"
    settings: dict[str, Any] = {"buffer_size": 50, "learning_starts": 20, "device": "cpu", **own}
    with caplog.at_level(logging.WARNING, "everlearn"):
        agent = SAC(policy, env, backend="eager", replay_buffer_class=None, **settings).learn(25)
    assert agent.backend_in_use == "reference"
    assert len(caplog.messages) == 1
    assert reason in caplog.messages[0]
    with pytest.raises(SettingsError, match=r"has no actor_delay, but .*" + reason.split()[-1]):
        SAC(policy, env, actor_delay=2, **settings)


def test_buffers_of_sb3_are_learned_from_too(make: Make) -> None:
    agents = [make("eager"), make("eager", replay_buffer_class=ReplayBuffer)]
    for agent in agents:
        np.random.seed(0)
        torch.manual_seed(0)
        agent.train(5, 32)
    assert distances(*agents) == [0, 0, 0]


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"actor_delay": 0}, "actor_delay must be 1 or more, not 0"),
        ({"target_critics": 0}, "target_critics must be 1 or more, not 0"),
        ({"target_critics": 3}, "target_critics must be 2 or less"),
        ({"actor_value": "max"}, "unknown actor_value 'max'"),
        ({"target_value": "max"}, "unknown target_value 'max'"),
        ({"entropy_weights": [1]}, "one weight for each of the 2 action dimensions, not 1"),
        ({"backend": "reference", "entropy_backup": False}, "has no entropy_backup"),
    ],
)
def test_wrong_options(own: dict[str, Any], sentence: str, build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build(SAC, Plane(), **own)
