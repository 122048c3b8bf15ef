"""The fast back ends of PPO against stable-baselines3's own update."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from torch import nn

from everlearn.agents import PPO
from everlearn.agents.backends import BACKENDS

ENVS = ["Pendulum-v1", "CartPole-v1"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"clip_range": lambda progress: 0.1 * progress, "max_grad_norm": 0.01},
    {"clip_range_vf": 0.05, "ent_coef": 0.02, "vf_coef": 0.3},
    {"target_kl": 1e-6},
    {"target_kl": 3e-3, "learning_rate": 3e-3},
    {"normalize_advantage": False, "batch_size": 50},
    {"policy_kwargs": {"net_arch": []}},
    {"policy_kwargs": {"net_arch": {"pi": [8], "vf": [16, 4]}, "activation_fn": nn.ReLU}},
    {"policy_kwargs": {"net_arch": [8, 8], "activation_fn": nn.Softplus}},
    {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.1, "betas": (0.9, 0.9)}}},
    {"policy_kwargs": {"share_features_extractor": False, "net_arch": [8]}},
    {"policy_kwargs": {"optimizer_class": torch.optim.AdamW}},
    {"policy_kwargs": {"optimizer_kwargs": {"amsgrad": True}}},
    {"policy_kwargs": {"optimizer_class": torch.optim.SGD}, "learning_rate": 0.05},
    {"policy_kwargs": {"optimizer_class": torch.optim.RMSprop}, "target_kl": 3e-3},
]
ACTIVATIONS = [nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Sigmoid]
DTYPES = [torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("own", OPTIONS)
@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size of 50:UserWarning")
def test_eager_equals_the_reference(
    own: dict[str, Any],
    env: str,
    dtype: torch.dtype,
    twins: Callable[..., Any],
    train_both: Callable[..., None],
) -> None:
    reference, fast = twins("eager", dtype, env=env, **own)
    train_both(reference, fast)
    assert fast.backend_in_use == "eager"
    log, wanted = fast.logger.name_to_value, reference.logger.name_to_value
    assert log.keys() == wanted.keys()
    for tag, value in wanted.items():
        assert log[tag] == pytest.approx(value, rel=1e-4, abs=1e-6), tag
    one, other = (agent.policy.optimizer.state_dict() for agent in (reference, fast))
    for index, state in one["state"].items():
        for key, value in state.items():
            torch.testing.assert_close(other["state"][index][key], value, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_is_differentiated(
    activation: type[nn.Module], twins: Callable[..., Any], train_both: Callable[..., None]
) -> None:
    policy_kwargs = {"net_arch": [8, 8], "activation_fn": activation}
    train_both(*twins("eager", torch.float64, policy_kwargs=policy_kwargs))


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.99, 0.95), (0.9, 0.5)])
@pytest.mark.parametrize("env", ENVS)
def test_the_rollout_follows_the_policy(
    env: str, gamma: float, gae_lambda: float, build: Callable[..., Any]
) -> None:
    """Values, log-probabilities, bootstrapped rewards and advantages are SB3's of these actions."""
    world = stable_baselines3.common.env_util.make_vec_env(
        env, 3, seed=1, env_kwargs={"max_episode_steps": 20}
    )
    own = {"gamma": gamma, "gae_lambda": gae_lambda}
    agent = build(PPO, world, backend="eager", **own).learn(64)
    agent._setup_learn(64)
    buffer, seen = agent.rollout_buffer, []
    raw = np.zeros_like(buffer.rewards)

    class Watch(stable_baselines3.common.callbacks.BaseCallback):
        def _on_step(self) -> bool:
            raw[self.locals["n_steps"]] = self.locals["rewards"]
            for copy_, info in enumerate(self.locals["infos"]):
                if info.get("TimeLimit.truncated"):
                    step = self.locals["n_steps"]
                    seen.append((step, copy_, info["terminal_observation"]))
            return True

    watch = Watch()
    watch.init_callback(agent)
    assert agent.collect_rollouts(agent.env, watch, buffer, 64)
    assert seen
    observations = torch.as_tensor(buffer.observations).flatten(end_dim=1)
    actions = torch.as_tensor(buffer.actions).flatten(end_dim=1)
    actions = actions.flatten() if env == "CartPole-v1" else actions
    with torch.no_grad():
        values, log_probs, _ = agent.policy.evaluate_actions(observations, actions)
        for step, copy_, last in seen:
            raw[step, copy_] += gamma * agent.policy.predict_values(torch.as_tensor(last)[None])
        last_values = agent.policy.predict_values(torch.as_tensor(agent._last_obs))
    np.testing.assert_allclose(buffer.values.reshape(-1), values.flatten(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(buffer.log_probs.reshape(-1), log_probs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(buffer.rewards, raw, rtol=1e-5, atol=1e-6)
    advantages = buffer.advantages.copy()
    buffer.compute_returns_and_advantage(last_values, agent._last_episode_starts)
    np.testing.assert_allclose(buffer.advantages, advantages, rtol=1e-4, atol=1e-4)


def test_actions_have_the_policys_law(build: Callable[..., Any]) -> None:
    """Shares of actions over many steps of a policy that does not learn."""
    agent = build(PPO, "CartPole-v1", backend="eager", n_steps=4096, learning_rate=0.0)
    _, callback = agent._setup_learn(4096)
    agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, 4096)
    buffer = agent.rollout_buffer
    with torch.no_grad():
        observations = torch.as_tensor(buffer.observations).flatten(end_dim=1)
        wanted = agent.policy.get_distribution(observations).distribution.probs[:, 1]
    deviation = (buffer.actions.mean() - wanted.mean().item()) / np.sqrt(0.25 / 4096)
    assert abs(deviation) < 4


@pytest.mark.parametrize("backend", ["eager", "reference"])
@pytest.mark.parametrize("loads", ["eager", "reference"])
def test_agents_go_from_back_end_to_back_end(
    backend: str, loads: str, build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    agent, file = build(PPO, backend=backend).learn(128), io.BytesIO()
    agent.save(file)
    loaded: Any = PPO.load(file, env=agent.get_env(), device="cpu", backend=loads)
    assert loaded.backend_in_use == loads
    assert same(agent.policy, loaded.policy)
    one, other = (a.policy.optimizer.state_dict() for a in (agent, loaded))
    assert one["state"].keys() == other["state"].keys()
    for index, state in one["state"].items():
        for key, value in state.items():
            assert torch.equal(value, other["state"][index][key])
    observation = np.zeros(3, dtype=np.float32)
    assert loaded.predict(observation, deterministic=True)[0] == pytest.approx(
        agent.predict(observation, deterministic=True)[0]
    )
    loaded.learn(64, reset_num_timesteps=False)
    plain = stable_baselines3.PPO.load(file, env=agent.get_env(), device="cpu")
    assert same(agent.policy, plain.policy)
    plain.learn(64)


def test_predict_follows_the_flat_parameters(build: Callable[..., Any]) -> None:
    agent = build(PPO, backend="eager").learn(64)
    flat = agent._learner.flat
    before = agent.predict(np.ones(3, dtype=np.float32), deterministic=True)[0]
    flat.values.mul_(3)
    assert agent.predict(np.ones(3, dtype=np.float32), deterministic=True)[0] != before


class Named(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self) -> None:
        super().__init__(gymnasium.make("Pendulum-v1"))
        self.observation_space = gymnasium.spaces.Dict({"all": self.env.observation_space})

    def observation(self, observation: Any) -> Any:
        return {"all": np.asarray(observation)}


class Mine(stable_baselines3.common.policies.ActorCriticPolicy):
    pass


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"use_sde": True}, "state-dependent exploration"),
        ({"policy": Mine}, "policy Mine"),
        ({"policy": "MultiInputPolicy", "env": Named()}, "Dict observations"),
    ],
)
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "reference"])
def test_what_is_not_supported_falls_back(
    backend: str, own: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"policy": "MlpPolicy", "env": "Pendulum-v1", "n_steps": 64, "n_epochs": 1, **own}
    with caplog.at_level(logging.WARNING, "everlearn"):
        agent = PPO(**settings, backend=backend, device="cpu")
    sentence = f"everlearn: PPO runs on the reference back end ({reason})"
    assert caplog.messages == [sentence]
    assert agent.backend_in_use == "reference"
    agent.learn(64)
    assert caplog.messages == [sentence]


@pytest.mark.parametrize("backend", ["auto", "compiled"])
def test_without_a_compiler_it_is_eager(
    backend: str,
    build: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("everlearn.agents.ppo.agent.WORTHWHILE_STEPS", 1)
    agent = build(PPO, backend=backend).learn(64)
    assert agent.backend_in_use == "eager"
    (message,) = caplog.messages
    assert "no C++ compiler was found" in message


def test_auto_compiles_where_it_pays(
    build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = build(PPO)
    monkeypatch.setattr("everlearn.agents.ppo.agent.can_compile", lambda agent: True)
    agent._setup_learn(64 * 7499)
    assert agent.backend_in_use == "eager"
    agent._setup_learn(64 * 7500)
    assert agent.backend_in_use == "compiled"


def test_what_cannot_be_compiled_stays_eager(caplog: pytest.LogCaptureFixture) -> None:
    from everlearn.agents.backends import Compiled

    def untraceable(values: torch.Tensor) -> torch.Tensor:
        return values + 1 if values.sum().item() > 0 else values

    function = Compiled(untraceable, "a test")
    for _ in range(2):
        assert function(torch.ones(2)).tolist() == [2, 2]
    message = caplog.messages[-1]
    assert message.startswith("everlearn: a test stays eager: ")


def test_a_rollout_that_a_callback_ends_ends_learning(build: Callable[..., Any]) -> None:
    class Stop(stable_baselines3.common.callbacks.BaseCallback):
        def _on_step(self) -> bool:
            return self.n_calls < 70

    agent = build(PPO, backend="eager").learn(256, callback=Stop())
    assert agent.num_timesteps == 70
