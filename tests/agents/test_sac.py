from __future__ import annotations

import inspect
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import Tensor, nn

from everlearn.agents import SAC, ContinualBackprop, Method
from everlearn.agents.adam import Adam
from everlearn.agents.layers import Part
from everlearn.agents.replay.buffers import LeanReplayBuffer
from everlearn.wrappers import info as info_names
from everlearn.wrappers.errors import SettingsError

PLAIN = stable_baselines3.SAC


class Rows(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.rows.append({**key_values, "step": step})

    def close(self) -> None:
        return None


def worlds(n_envs: int) -> Any:
    return make_vec_env("Pendulum-v1", n_envs, seed=0)


@pytest.mark.parametrize("n_envs", [1, 2])
def test_parameters_after_200_updates_are_those_of_sb3(
    n_envs: int, build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    plain, ours = (
        build(kind, worlds(n_envs), train_freq=1).learn(n_envs * 240) for kind in (PLAIN, SAC)
    )
    assert plain._n_updates == ours._n_updates >= 200
    assert same(plain.policy, ours.policy)
    assert torch.equal(plain.log_ent_coef, ours.log_ent_coef)
    assert isinstance(ours.replay_buffer, LeanReplayBuffer)


class Named(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self) -> None:
        super().__init__(gymnasium.make("Pendulum-v1"))
        self.observation_space = gymnasium.spaces.Dict({"all": self.env.observation_space})

    def observation(self, observation: Any) -> Any:
        return {"all": np.asarray(observation)}


@pytest.mark.parametrize(
    "settings",
    [
        {"use_sde": True},
        {"ent_coef": 0.1, "gamma": 0.9, "target_update_interval": 3, "gradient_steps": 2},
        {"train_freq": (1, "episode"), "gradient_steps": 9},
        {"policy_kwargs": {"net_arch": [], "n_critics": 3, "share_features_extractor": True}},
        {"n_steps": 3},
        {
            "optimize_memory_usage": True,
            "replay_buffer_kwargs": {"handle_timeout_termination": False},
        },
    ],
)
def test_without_methods_it_is_plain_sb3_in_corners(
    settings: dict[str, Any], build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    plain, ours = (
        build(kind, **{**settings, "policy_kwargs": dict(settings.get("policy_kwargs", {}))}).learn(
            220
        )
        for kind in (PLAIN, SAC)
    )
    assert plain._n_updates == ours._n_updates > 0
    assert same(plain.policy, ours.policy)


def test_normalised_and_named_worlds_are_learned_as_by_sb3(
    build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    plain, ours = (build(kind, VecNormalize(worlds(2))).learn(120) for kind in (PLAIN, SAC))
    assert same(plain.policy, ours.policy)
    settings: dict[str, Any] = {
        "learning_starts": 20,
        "buffer_size": 200,
        "batch_size": 8,
        "seed": 0,
    }
    one, other = (
        kind("MultiInputPolicy", Named(), device="cpu", **settings).learn(60)
        for kind in (PLAIN, SAC)
    )
    assert same(one.policy, other.policy)


@dataclass(eq=False, repr=False)
class Witness(Method):
    name: ClassVar[str] = "witness"
    needs_features: ClassVar[bool] = True

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        self.parts = parts
        self.seen: list[tuple[str, dict[str, Tensor]]] = []
        self.told: list[Any] = []
        self.iterations = 0

    def after_step(self, part: Part) -> None:
        features = {
            part.name: part.hidden[0].features.clone()
            for part in self.parts
            if part.hidden[0].features is not None
        }
        self.seen.append((part.name, features))

    def on_change(self, info: Mapping[str, Any]) -> None:
        self.told.append(info["at"])

    def after_iteration(self) -> dict[str, float]:
        self.iterations += 1
        return {"witness/iterations": float(self.iterations)}


def test_features_are_those_of_each_networks_own_loss(build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[Witness()])
    batches: list[Any] = []
    sample = agent.replay_buffer.sample
    weights: list[tuple[Tensor, Tensor]] = []

    def keep(*args: Any, **kwargs: Any) -> Any:
        batches.append(sample(*args, **kwargs))
        first = agent.critic.q_networks[1][0]
        weights.append((first.weight.detach().clone(), first.bias.detach().clone()))
        return batches[-1]

    agent.replay_buffer.sample = keep
    agent.learn(40)
    agent.replay_buffer.sample = sample
    seen = agent.methods[0].seen
    assert [name for name, _ in seen] == ["critic_0", "critic_1", "actor"] * len(batches)
    for index, (batch, (weight, bias)) in enumerate(zip(batches, weights, strict=True)):
        inputs = torch.cat([batch.observations, batch.actions], dim=1)
        wanted = torch.relu(inputs @ weight.T + bias)
        # The critic's features stay also where the actor's loss has gone through it.
        for _, features in seen[3 * index + 1 : 3 * index + 3]:
            torch.testing.assert_close(features["critic_1"], wanted)
        assert len(seen[3 * index + 2][1]["actor"]) == len(inputs)
    actor = agent.actor.latent_pi[0]
    last = seen[-1][1]["actor"]
    moved = torch.relu(batches[-1].observations @ actor.weight.T + actor.bias)
    torch.testing.assert_close(last, moved, rtol=0, atol=0.02)


def test_the_critics_gradients_are_those_of_their_own_loss(build: Callable[..., Any]) -> None:
    agent = build(SAC)
    own: list[Tensor] = []

    def keep(optimizer: Any, args: Any, kwargs: Any) -> None:
        own[:] = [parameter.grad.clone() for parameter in agent.critic.parameters()]

    agent.critic.optimizer.register_step_pre_hook(keep)
    agent.learn(60)
    gradients = [parameter.grad for parameter in agent.critic.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(gradients, own, strict=True))
    assert all(parameter.requires_grad for parameter in agent.critic.parameters())
    assert all(parameter.grad is not None for parameter in agent.actor.parameters())


@pytest.mark.parametrize("shared", [False, True])
def test_each_parameter_is_in_exactly_one_part_and_optimizer(
    shared: bool, build: Callable[..., Any]
) -> None:
    class Extractor(stable_baselines3.common.torch_layers.BaseFeaturesExtractor):
        def __init__(self, space: gymnasium.Space[Any]) -> None:
            super().__init__(space, 5)
            self.map = nn.Linear(3, 5)

        def forward(self, observations: Tensor) -> Tensor:
            return self.map(observations)

    kwargs = {
        "net_arch": [8],
        "n_critics": 3,
        "features_extractor_class": Extractor,
        "share_features_extractor": shared,
    }
    agent = build(SAC, policy_kwargs=kwargs, methods=[ContinualBackprop()])
    assert [part.name for part in agent.parts] == ["actor", "critic_0", "critic_1", "critic_2"]
    owned = [id(parameter) for part in agent.parts for parameter in part.parameters]
    trained = {id(p) for network in (agent.actor, agent.critic) for p in network.parameters()}
    assert sorted(owned) == sorted(trained)
    for part in agent.parts:
        group = {id(p) for group in part.optimizer.param_groups for p in group["params"]}
        assert {id(p) for p in part.parameters} <= group
    assert agent.parts[1].optimizer is agent.parts[2].optimizer is agent.critic.optimizer
    assert type(agent.actor.optimizer) is type(agent.critic.optimizer) is Adam
    assert len(agent.parts[0].output) == 2
    agent.learn(60)


class Renewed(Method):
    name: ClassVar[str] = "renewed"

    def network(self, policy: nn.Module) -> None:
        for critic in (policy.critic, policy.critic_target):
            for network in critic.q_networks:  # type: ignore[union-attr]
                nn.init.normal_(network[0].weight)


def test_targets_begin_as_their_critics(build: Callable[..., Any]) -> None:
    agent = build(SAC, methods=[Renewed()])
    for one, other in zip(agent.critic.parameters(), agent.critic_target.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("n_envs", "steps"), [(1, [100, 200, 300]), (2, [100, 200, 300]), (3, [102, 201, 300])]
)
def test_iterations_are_steps_over_all_copies(
    n_envs: int, steps: list[int], build: Callable[..., Any]
) -> None:
    settings = {"train_freq": 1, "iteration_steps": 100, "methods": [Witness()]}
    agent, rows = build(SAC, worlds(n_envs), **settings), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(300)
    assert [row["step"] for row in rows.rows] == steps
    assert [row["time/iterations"] for row in rows.rows] == [1, 2, 3]
    assert [row["witness/iterations"] for row in rows.rows] == [1, 2, 3]
    assert rows.rows[-1]["train/n_updates"] == agent._n_updates
    made = np.diff([0] + [row["train/n_updates"] for row in rows.rows])
    for row, n_updates, begin in zip(rows.rows, made, [0, *steps], strict=False):
        assert row["replay/ratio"] == pytest.approx(n_updates / (row["step"] - begin))
        assert row["plasticity/actor/weight_norm"] > 0
        assert "plasticity/critic_1/effective_rank" in row


def test_rows_can_be_fewer_and_begin_anew(build: Callable[..., Any]) -> None:
    agent, rows = build(SAC, iteration_steps=50), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(210, log_interval=2)
    assert [row["step"] for row in rows.rows] == [100, 200]
    agent.learn(100, reset_num_timesteps=False)
    assert [row["step"] for row in rows.rows[2:]] == [252, 300]
    agent.learn(50)
    assert [(row["step"], row["time/iterations"]) for row in rows.rows[4:]] == [(52, 1)]
    agent.learn(100, log_interval=None)
    assert len(rows.rows) == 5


def test_a_rollout_may_be_longer_than_an_iteration(build: Callable[..., Any]) -> None:
    agent, rows = build(SAC, iteration_steps=60, train_freq=(1, "episode")), Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(400)
    assert [(row["step"], row["time/iterations"]) for row in rows.rows] == [(200, 3), (400, 6)]


def test_losses_in_a_row_are_means_over_its_updates(build: Callable[..., Any]) -> None:
    agent, rows = build(SAC, iteration_steps=100, gradient_steps=3), Rows()
    agent.set_logger(Logger(None, [rows]))
    losses: list[float] = []
    train = PLAIN.train

    def keep(self: Any, gradient_steps: int, batch_size: int = 64) -> None:
        train(self, gradient_steps, batch_size)
        losses.append(self.logger.name_to_value["train/critic_loss"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PLAIN, "train", keep)
        agent.learn(200)
    assert len(losses) == 42
    assert rows.rows[0]["train/critic_loss"] == pytest.approx(np.mean(losses[:17]))
    assert rows.rows[1]["train/critic_loss"] == pytest.approx(np.mean(losses[17:]))


@pytest.mark.parametrize("n_envs", [1, 2, 3])
@pytest.mark.parametrize("ratio", [0.3, 1, 2.5])
def test_realised_replay_ratio_is_what_was_asked(
    ratio: float, n_envs: int, build: Callable[..., Any]
) -> None:
    agent = build(SAC, worlds(n_envs), replay_ratio=ratio, learning_starts=30, train_freq=1)
    agent.learn(120)
    # The first steps that count are those that go beyond the 30.
    counted = n_envs * len(range(30 // n_envs, 120 // n_envs))
    assert ratio * counted - 1 < agent._n_updates <= ratio * counted


def test_a_loaded_agent_goes_on_in_the_middle_of_an_iteration(
    build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    settings = {"replay_ratio": 0.3, "iteration_steps": 50, "train_freq": 1}
    whole, rows = build(SAC, **settings).learn(120), Rows()
    whole.set_logger(Logger(None, [rows]))
    whole.learn(80, reset_num_timesteps=False)
    first, file, others = build(SAC, **settings).learn(120), io.BytesIO(), Rows()
    first.save(file)
    states = torch.get_rng_state(), np.random.get_state()
    second = SAC.load(file, env=first.get_env(), device="cpu", force_reset=False)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    second.replay_buffer = first.replay_buffer
    second.set_logger(Logger(None, [others]))
    second.learn(80, reset_num_timesteps=False)
    assert same(whole.policy, second.policy)
    assert whole._n_updates == second._n_updates
    assert len(rows.rows) == len(others.rows) == 2
    for one, other in zip(rows.rows, others.rows, strict=True):
        keys = [key for key in one if not key.startswith("time/")]
        assert {key: one[key] for key in keys} == {key: other[key] for key in keys}


def test_the_zip_names_nothing_of_ours(build: Callable[..., Any]) -> None:
    agent, file = build(SAC, replay_ratio=0.5), io.BytesIO()
    agent.learn(60)
    agent.save(file)
    data = zipfile.ZipFile(file).read("data").decode()
    assert "everlearn" not in data
    plain = PLAIN.load(file, env=agent.get_env(), device="cpu")
    assert type(plain.replay_buffer) is ReplayBuffer
    plain.learn(60)


def test_the_replay_buffer_can_be_saved(build: Callable[..., Any], tmp_path: Path) -> None:
    agent = build(SAC).learn(60)
    agent.save_replay_buffer(tmp_path / "buffer.pkl")
    other = build(SAC)
    other.load_replay_buffer(tmp_path / "buffer.pkl")
    assert other.replay_buffer.size() == 60
    other.learn(40)
    asked = build(SAC, replay_buffer_class=ReplayBuffer)
    assert type(asked.replay_buffer) is ReplayBuffer


def test_tools_of_sb3_work(build: Callable[..., Any], tmp_path: Path) -> None:
    method = ContinualBackprop(replacement_rate=0.1, maturity=2)
    agent = build(SAC, methods=[method], tensorboard_log=str(tmp_path / "logs"), iteration_steps=40)
    evaluation = DummyVecEnv([lambda: gymnasium.make("Pendulum-v1", max_episode_steps=20)])
    callbacks = [
        EvalCallback(
            evaluation,
            eval_freq=40,
            n_eval_episodes=1,
            verbose=0,
            best_model_save_path=str(tmp_path / "best"),
            warn=False,
        ),
        CheckpointCallback(40, str(tmp_path), name_prefix="agent", save_replay_buffer=True),
    ]
    agent.learn(100, callback=callbacks)
    mean, _ = evaluate_policy(agent, evaluation, n_eval_episodes=2, warn=False)
    assert isinstance(mean, float)
    saved = SAC.load(tmp_path / "agent_80_steps.zip", device="cpu")
    assert saved.methods[0].settings() == method.settings()
    assert (tmp_path / "best" / "best_model.zip").exists()
    assert list((tmp_path / "logs").rglob("events*"))


class Changing(gymnasium.Wrapper[Any, Any, Any, Any]):
    clock = 0

    def step(self, action: Any) -> Any:
        *rest, info = super().step(action)
        self.clock += 1
        if self.clock in (5, 33):
            info |= {info_names.BOUNDARY: True, "at": self.clock}
        return *rest, info


def test_changes_are_told(build: Callable[..., Any]) -> None:
    env = DummyVecEnv([lambda: Changing(gymnasium.make("Pendulum-v1"))] * 2)
    assert build(SAC, env, methods=[Witness()]).learn(80).methods[0].told == [5, 33]


def test_diagnostics_can_be_switched_off(
    build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    agents, tables = [], [Rows(), Rows()]
    for rows, diagnostics in zip(tables, (True, False), strict=True):
        agents.append(build(SAC, diagnostics=diagnostics, iteration_steps=20))
        agents[-1].set_logger(Logger(None, [rows]))
        agents[-1].learn(100)
    assert same(agents[0].policy, agents[1].policy)
    assert not [tag for tag in tables[1].rows[-1] if tag.startswith("plasticity/")]
    # Before learning there may be nothing to look at.
    assert "plasticity/actor/weight_norm" not in tables[0].rows[0]
    assert "plasticity/actor/weight_norm" in tables[0].rows[-1]


@pytest.mark.parametrize(("layer_norm", "of_actor"), [("critic", 0), ("both", 2)])
def test_layer_norm(
    layer_norm: str, of_actor: int, build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    agent = build(SAC, layer_norm=layer_norm)

    def count(network: nn.Module) -> int:
        return sum(isinstance(module, nn.LayerNorm) for module in network.modules())

    assert (count(agent.actor), count(agent.critic), count(agent.critic_target)) == (of_actor, 4, 4)
    names = [type(module).__name__ for module in agent.critic.q_networks[1]]
    assert names == ["Linear", "LayerNorm", "ReLU", "Linear", "LayerNorm", "ReLU", "Linear"]
    trained = [p for group in agent.critic.optimizer.param_groups for p in group["params"]]
    assert len(trained) == 2 * (3 + 2) * 2
    before = agent.critic.q_networks[0][1].weight.detach().clone()
    agent.learn(60)
    assert not torch.equal(agent.critic.q_networks[0][1].weight, before)
    file = io.BytesIO()
    agent.save(file)
    assert same(SAC.load(file, device="cpu").policy, agent.policy)
    assert same(PLAIN.load(file, device="cpu").policy, agent.policy)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"backend": "refrence"}, "unknown backend 'refrence': did you mean 'reference'?"),
        ({"methods": [ContinualBackprop]}, "a method must be like ContinualBackprop()"),
        ({"iteration_steps": 0}, "iteration_steps must be 1 or more, not 0"),
        ({"replay_ratio": -1}, "replay_ratio must be 0 or more, not -1"),
        ({"replay_ratio": 1, "gradient_steps": 2}, "replay_ratio takes the place of"),
        ({"layer_norm": "critics"}, "unknown layer_norm 'critics': did you mean 'critic'?"),
    ],
)
def test_wrong_arguments(own: dict[str, Any], sentence: str, build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        build(SAC, **own)
    assert sentence in str(caught.value)


def test_signature_is_that_of_sb3_and_more() -> None:
    ours = inspect.signature(SAC.__init__).parameters
    theirs = inspect.signature(PLAIN.__init__).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default
    for name in list(ours)[len(theirs) :]:
        assert ours[name].kind is inspect.Parameter.KEYWORD_ONLY
