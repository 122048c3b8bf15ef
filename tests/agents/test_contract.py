"""What holds for every method and agent: a method that is registered joins by a row in `CASES`."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.evaluation import evaluate_policy
from torch import nn
from torch.nn.utils import parameters_to_vector

from everlearn.agents import PPO, SAC, load_checkpoint, save_checkpoint
from everlearn.agents.diagnostics import Diagnostics
from everlearn.agents.layers import Part
from everlearn.agents.method import Method, needs_replay, needs_rollouts, overrides
from everlearn.agents.registry import (
    describe_method,
    make_method,
    method_names,
    parse_method,
    rebuild_method,
)
from everlearn.agents.retention import RetentionMethod
from everlearn.envs import Stream, make_vec_env
from everlearn.wrappers.change import Change
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.schedules import Periodic
from everlearn.wrappers.values import Values

ENVS = ["Pendulum-v1", "CartPole-v1"]
AGENTS = [PPO, SAC]
PAIRS = [(PPO, "Pendulum-v1"), (PPO, "CartPole-v1"), (SAC, "Pendulum-v1")]
KNOBS = {"Pendulum-v1": "pendulum-gravity", "CartPole-v1": "cartpole-gravity"}
PLAIN: dict[type, Any] = {PPO: stable_baselines3.PPO, SAC: stable_baselines3.SAC}


@dataclass(frozen=True)
class Case:
    """How to switch a method off, and how to make it act within a few gradient steps."""

    on: Mapping[str, Any]
    off: Mapping[str, Any] | None = None
    wrong: Mapping[str, Any] = field(default_factory=dict)
    observes: bool = False
    """Whether it changes nothing of the agent by itself."""
    world: str = "Pendulum-v1"
    """Where it acts, if actions are numbers."""


class TwoTorques(gymnasium.ActionWrapper[Any, Any, Any]):
    """Pendulum with a second action dimension, which does nothing."""

    def __init__(self, **own: Any) -> None:
        super().__init__(gymnasium.make("Pendulum-v1", **own).unwrapped)
        self.action_space = gymnasium.spaces.Box(-2, 2, (2,))

    def action(self, action: Any) -> Any:
        return action[:1]


gymnasium.register("TwoTorques-v0", entry_point=TwoTorques, max_episode_steps=200)


def penalty(**wrong: Any) -> Case:
    wrong = {"coefficient": -1, **wrong}
    return Case(on={"coefficient": 0.1}, off={"coefficient": 0.0}, wrong=wrong)


CASES = {
    "adaptive-replay-ratio": Case(
        on={"low": 0.25, "high": 1.0, "check_every": 1, "gap": 1.0, "min_checks": 1},
        off={"low": 0.25, "high": 0.25},
        wrong={"low": 0, "high": 0.1, "window": 51, "gap": -1, "least_active": 0.5, "rule": "up"},
    ),
    "causality-aware-entropy": Case(
        on={"every_steps": 40, "samples": 40, "estimator": "least-squares"},
        off={"influence": "off"},
        wrong={"every_steps": 0, "samples": 1, "influence": "on", "estimator": "pc"},
        world="TwoTorques-v0",
    ),
    "warm-start": Case(
        on={"steps": 60, "ratio": None},
        off={"steps": 0, "ratio": None},
        wrong={"steps": -1, "ratio": -1, "buffer": "lose"},
    ),
    "cautious": Case(on={}),
    "change-detection": Case(
        on={"every_steps": 8, "window": 3, "memory": 16, "hidden_size": 8},
        off={},
        wrong={
            "every_steps": 0,
            "memory": 1,
            "window": 2,
            "threshold": 0,
            "test": "mine",
            "least_deviation": -1,
        },
        observes=True,
    ),
    "continual-backprop": Case(
        on={"replacement_rate": 0.05, "maturity": 3},
        off={"replacement_rate": 0.0},
        wrong={"replacement_rate": -1},
    ),
    "dormant-gradient-perturbation": Case(
        on={"every_updates": 5},
        off={"every_updates": None},
        wrong={"least_kept": -1, "dormant_threshold": -1},
    ),
    "drm-perturbation": Case(
        on={"every_updates": 5, "every_steps": None, "law": "orthogonal"},
        off={"every_steps": None},
        wrong={"most_kept": 2},
    ),
    "plasticity-injection": Case(
        on={"every_updates": 5},
        off={"at_change": False},
        wrong={"last_layers": -1},
    ),
    "reactive-exploration": Case(
        on={"every_steps": 8, "memory": 16, "dynamics_share": 0.5, "hidden_size": 8},
        off={"dynamics_share": 0.0, "reward_share": 0.0},
        wrong={"dynamics_share": 2, "reward_scale": -1, "memory": 1, "features": "good"},
    ),
    "experts": Case(
        # So hasty that noise alone is an alarm.
        on={
            **{"every_steps": 2, "window": 3, "threshold": 0.1, "acceptance": 1e-3},
            **{"least_deviation": 0.0, "updates": 1, "hidden_size": 8},
        },
        off={"most": 1},
        wrong={"most": 0, "acceptance": 0, "every_steps": 0, "window": 2},
    ),
    "redo": Case(
        on={"every_updates": 3, "dormant_threshold": 0.9},
        off={"every_updates": None},
        wrong={"dormant_threshold": -0.1, "every_updates": 0},
    ),
    "resets": Case(
        on={"every_updates": 5, "keep": 0.5},
        off={"every_steps": None},
        wrong={"keep": 1.5, "every_steps": 0, "last_layers": -1, "target": "hold", "threshold": 2},
    ),
    "self-normalized-resets": Case(
        on={"rejection_percentile": 0.5, "longest_silence": 3, "threshold": 0.5},
        off={"rejection_percentile": 0.0},
        wrong={"rejection_percentile": 1, "longest_silence": 0, "shortest_silence": 0},
    ),
    "shrink-and-perturb": Case(
        on={"shrink": 0.01, "noise": 0.01},
        off={"shrink": 0.0, "noise": 0.0},
        wrong={"shrink": 2, "noise": -1},
    ),
    "ash": Case(on={"hard": True, "offset": 0.0}, wrong={"sharpness": 0}),
    "cotasp": Case(
        on={"weight_updates": 3, "prompt_updates": 2, "distillation_steps": 3},
        wrong={
            **{"sparsity": 0, "distillation_rate": 0, "weight_updates": 0},
            **{"prompt_updates": -1, "distillation_steps": -1, "distillation_batch": 0},
            **{"first_layer": "norm", "explore": "all"},
        },
    ),
    "crelu": Case(on={}),
    "deep-fourier": Case(on={}),
    "elephant": Case(on={}, wrong={"width": 0, "power": 0, "bias_deviation": -1}),
    "layer-norm": Case(on={}),
    "nap": Case(on={"affine": True}, wrong={"norm": "batch"}),
    "weight-norm": Case(on={}),
    "churn-reduction": Case(
        on={"actor_coefficient": 1.0, "critic_coefficient": 0.1, "delay": 2},
        off={"actor_coefficient": 0.0},
        wrong={"actor_coefficient": -1, "critic_coefficient": -1, "delay": 0},
    ),
    "l2": penalty(),
    "l2-init": penalty(),
    "a-gem": Case(
        on={"memory_size": 20, "batch_size": 7}, wrong={"memory_size": 0, "batch_size": 0}
    ),
    "clear": Case(
        on={"length": 8, "memory_size": 80, "sequences": 2},
        off={"sequences": 0},
        wrong={
            **{"length": 1, "memory_size": 3, "sequences": -1, "policy_cloning": -1},
            **{"value_cloning": -1, "value_coefficient": -1, "gamma": 2},
        },
    ),
    "clonex": Case(
        on={"coefficient": 1.0, "memory_size": 20, "batch_size": 7, "explore_by": "previous"},
        off={"coefficient": 0.0},
        wrong={"coefficient": -1, "memory_size": 0, "batch_size": 0, "explore_by": "best"},
    ),
    "fine-tuning": Case(
        on={"keep_temperature": True},
        off={"keep_replay": True, "keep_optimizer": True, "keep_temperature": True},
    ),
    "l2-previous": penalty(),
    "l2m": Case(on={"pool_size": 3, "rank": 2}, wrong={"pool_size": 0, "rank": 0, "pull": -1}),
    "mas": Case(
        on={"coefficient": 0.1, "observations": 20},
        off={"coefficient": 0.0},
        wrong={"coefficient": -1, "observations": 0},
    ),
    "multi-head": Case(on={"critics": True}),
    "online-ewc": Case(
        on={"coefficient": 0.1, "observations": 20, "decay": 0.9},
        off={"coefficient": 0.0},
        wrong={"coefficient": -1, "decay": 2, "observations": 0, "smallest": -1, "stabilizer": -1},
    ),
    "packnet": Case(
        on={"n_tasks": 3, "retrain_steps": 5, "retrain_clip": 0.1},
        wrong={"n_tasks": 0, "retrain_steps": -1, "retrain_clip": 0},
    ),
    "perfect-memory": Case(on={}),
    "reset-and-distill": Case(
        on={"memory_size": 20, "distill_steps": 3, "batch_size": 8},
        wrong={"memory_size": 0, "distill_steps": -1, "batch_size": 0, "distill_rate": 0},
    ),
    "tail": Case(on={"rank": 2}, wrong={"rank": 0}),
    "wsn": Case(on={"share": 0.5}, off={"share": 1.0}, wrong={"share": 0, "score_rate": 0}),
    "parseval": penalty(scale=0),
    "spectral": penalty(power=1),
    "wasserstein": penalty(),
    "core": Case(on={}, wrong={"smallest_step": 0, "growth": 0.5, "frozen": 2}),
    "equal-betas-adam": Case(on={}, wrong={"beta": 1, "weight_decay": -1}),
    "infinite-schedule": Case(
        on={"warmup_steps": 100, "cooldown_steps": 150},
        off={"warmup_steps": 0, "cooldown_steps": 0, "constant": 1.0},
        wrong={"constant": 2, "warmup_steps": -1, "anneal_steps": 0, "minimum": 0},
    ),
    "lion": Case(on={"weight_decay": 0.1}, wrong={"beta1": 1, "weight_decay": -1}),
    "trac": Case(on={"initial_scale": 0.1}, wrong={"epsilon": 0}),
    "upgd": Case(on={}, wrong={"noise": -1, "utility_decay": 1, "form": "mine"}),
}


@pytest.fixture(params=["reference", "eager"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def switched_on(name: str) -> Method:
    return make_method(name, **CASES[name].on)


def world(name: str, env: str) -> Any:
    """Return a world of several tasks for a method that keeps them: gravity 1, 2, 3, 1 ..."""
    if not isinstance(switched_on(name), RetentionMethod):
        return env
    change = Change(KNOBS[env], Values((1.0, 2.0, 3.0)), Periodic(48))
    stream = Stream("everlearn/Told-v0", (env,), (change,), boundary_labels="always")
    return make_vec_env(stream, 1, seed=3)


def acts_after_steps(name: str) -> bool:
    return overrides(switched_on(name), "after_step")


REPLAYING = {name for name in CASES if needs_replay(switched_on(name))}
"""What works only with an agent that learns from a replay buffer."""

ON_PPO = [name for name in CASES if name not in REPLAYING]
ON_SAC = [name for name in CASES if not needs_rollouts(switched_on(name))]
FITTING: dict[type, list[str]] = {PPO: ON_PPO, SAC: ON_SAC}
ALL_PAIRS = [
    (name, kind, CASES[name].world if kind is SAC else env)
    for name in CASES
    for kind, env in PAIRS
    if name in FITTING[kind]
]
ALL_AGENTS = [
    (name, kind, CASES[name].world) for name in CASES for kind in AGENTS if name in FITTING[kind]
]


def save_generators() -> tuple[Any, ...]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def restore_generators(states: tuple[Any, ...]) -> None:
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])


def same_states(first: Any, second: Any) -> bool:
    one = nn.ModuleList(first.methods).state_dict()
    other = nn.ModuleList(second.methods).state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def same_optimizers(first: Any, second: Any) -> bool:
    names = [name for name in first._get_torch_save_params()[0] if name.endswith("optimizer")]
    return bool(names) and all(
        same_optimizer(attrgetter(name)(first), attrgetter(name)(second)) for name in names
    )


def same_optimizer(first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> bool:
    return same_data(first.state_dict(), second.state_dict())


def same_data(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            same_data(value, second[key]) for key, value in first.items()
        )
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return bool(first == second)


def test_every_method_is_here() -> None:
    assert set(CASES) == set(method_names())


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("own", [{}, {"diagnostics": False}, {"methods": []}])
def test_without_methods_it_is_plain_sb3(
    env: str, own: dict[str, Any], build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    plain = build(env=env).learn(4 * 64)
    ours = build(PPO, env, backend="reference", **own).learn(4 * 64)
    assert same(plain.policy, ours.policy)
    assert same_optimizers(plain, ours)
    assert type(ours.policy.optimizer) is torch.optim.Adam


@pytest.mark.parametrize(
    "settings",
    [
        {"use_sde": True},
        {"target_kl": 1e-6},
        {"clip_range_vf": 0.1, "ent_coef": 0.01},
        {"policy_kwargs": {"net_arch": [], "share_features_extractor": False}},
    ],
)
def test_without_methods_it_is_plain_sb3_in_corners(
    settings: dict[str, Any], build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    plain = build(**settings).learn(2 * 64)
    ours = build(PPO, backend="reference", **settings).learn(2 * 64)
    assert same(plain.policy, ours.policy)


@pytest.mark.parametrize(
    ("name", "kind", "env"), [each for each in ALL_PAIRS if CASES[each[0]].off is not None]
)
def test_switched_off_it_is_plain_sb3(
    name: str, kind: type, env: str, build: Callable[..., Any], same: Callable[..., bool]
) -> None:
    method = make_method(name, **(CASES[name].off or {}))
    plain = build(PLAIN[kind], env).learn(4 * 64)
    ours = build(kind, env, methods=[method], backend="reference").learn(4 * 64)
    assert same(plain.policy, ours.policy)


@pytest.mark.parametrize(("name", "kind", "env"), ALL_PAIRS)
def test_switched_on_it_acts_and_repeats_itself(
    name: str,
    kind: type,
    env: str,
    build: Callable[..., Any],
    backend: str,
    same: Callable[..., bool],
) -> None:
    method = switched_on(name)
    plain = build(PLAIN[kind], world(name, env)).learn(4 * 64)
    one, other = (
        build(kind, world(name, env), methods=[method], backend=backend).learn(4 * 64)
        for _ in range(2)
    )
    assert same(plain.policy, one.policy) == (CASES[name].observes and backend == "reference")
    assert same(one.policy, other.policy)
    assert same_states(one, other)
    assert one.methods[0] is not method
    assert one.methods[0] is not other.methods[0]


@pytest.mark.parametrize(("name", "kind", "env"), ALL_AGENTS)
def test_diagnostics_change_nothing(
    name: str,
    kind: type,
    env: str,
    build: Callable[..., Any],
    backend: str,
    same: Callable[..., bool],
) -> None:
    one, other = (
        build(
            kind,
            world(name, env),
            methods=[switched_on(name)],
            backend=backend,
            diagnostics=diagnostics,
        ).learn(4 * 64)
        for diagnostics in (Diagnostics(layers_every=1, probe_every=1, probe_steps=3), False)
    )
    assert same(one.policy, other.policy)
    assert same_states(one, other)


@pytest.mark.parametrize("name", CASES)
def test_settings_round_trip(name: str) -> None:
    for method in (make_method(name), switched_on(name)):
        again = rebuild_method(describe_method(method))
        assert type(again) is type(method)
        assert again.settings() == method.settings()
        text = ",".join(f"{key}={value}" for key, value in method.settings().items())
        assert parse_method(f"{name}:{text}" if text else name).settings() == method.settings()
        assert method.name == name


@pytest.mark.parametrize("name", CASES)
def test_wrong_settings(name: str) -> None:
    with pytest.raises(SettingsError, match=f"unknown {name} setting 'colour'"):
        make_method(name, colour="red")
    for key, value in CASES[name].wrong.items():
        with pytest.raises(SettingsError, match=f"{name} setting '{key}' must be"):
            make_method(name, **{key: value})


CALLS: dict[type, list[str]] = {
    # 3 rollouts, 2 epochs, 2 minibatches.
    PPO: ["actor", "critic"] * 12,
    # A step each 4 after the first 32.
    SAC: ["critic_0", "critic_1", "actor"] * 40,
}


@pytest.mark.parametrize(
    ("name", "kind"), [each[:2] for each in ALL_AGENTS if acts_after_steps(each[0])]
)
def test_it_acts_after_each_gradient_step_and_never_else(
    name: str,
    kind: type,
    build: Callable[..., Any],
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = build(kind, methods=[switched_on(name)], backend=backend)
    calls: list[str] = []
    acts = agent.methods[0].after_step

    def count(part: Part) -> None:
        calls.append(part.name)
        acts(part)

    monkeypatch.setattr(agent.methods[0], "after_step", count)
    agent.learn(3 * 64)
    assert calls == CALLS[kind]
    evaluate_policy(agent, agent.get_env(), n_eval_episodes=1, warn=False)
    agent.predict(np.zeros(3, dtype=np.float32))
    assert calls == CALLS[kind]


@pytest.mark.parametrize(("name", "kind", "env"), ALL_AGENTS)
def test_save_and_load_bring_everything_back(
    name: str,
    kind: Any,
    env: str,
    build: Callable[..., Any],
    backend: str,
    same: Callable[..., bool],
) -> None:
    agent, file = (
        build(kind, world(name, env), methods=[switched_on(name)], backend=backend).learn(4 * 64),
        io.BytesIO(),
    )
    agent.save(file)
    loaded = kind.load(file, device="cpu")
    assert same(agent.policy, loaded.policy)
    assert same_optimizers(agent, loaded)
    assert same_states(agent, loaded)
    assert loaded.methods[0].settings() == agent.methods[0].settings()
    plain = PLAIN[kind].load(file, env=agent.get_env(), device="cpu")
    assert same(agent.policy, plain.policy)
    plain.learn(64)


@pytest.mark.parametrize(("name", "kind", "env"), ALL_PAIRS)
def test_a_loaded_agent_goes_on_as_if_nothing_had_happened(
    name: str,
    kind: Any,
    env: str,
    build: Callable[..., Any],
    backend: str,
    same: Callable[..., bool],
) -> None:
    whole = build(kind, world(name, env), methods=[switched_on(name)], backend=backend).learn(
        2 * 64
    )
    whole.learn(3 * 64, reset_num_timesteps=False)
    first, file = (
        build(kind, world(name, env), methods=[switched_on(name)], backend=backend).learn(2 * 64),
        io.BytesIO(),
    )
    first.save(file)
    generators = save_generators()
    worlds = first.get_env().unwrapped
    # Loading seeds the worlds; ours then begin anew.
    before = worlds.get_state() if hasattr(worlds, "get_state") else None
    second = kind.load(file, env=first.get_env(), device="cpu", force_reset=False)
    if before is not None:
        worlds.set_state(before)
    if kind is SAC:
        second.replay_buffer = first.replay_buffer
    restore_generators(generators)
    # Where a task begins, SAC acts at random; loading seeds that anew.
    drawing = first.action_space.np_random.bit_generator.state
    second.action_space.np_random.bit_generator.state = drawing
    second.learn(3 * 64, reset_num_timesteps=False)
    assert same(whole.policy, second.policy)
    assert same_optimizers(whole, second)
    assert same_states(whole, second)
    assert second.num_timesteps == 5 * 64


@pytest.mark.parametrize(("name", "kind", "env"), ALL_PAIRS)
def test_from_a_checkpoint_it_goes_on_to_the_last_bit(
    name: str,
    kind: type,
    env: str,
    build: Callable[..., Any],
    backend: str,
    same: Callable[..., bool],
    tmp_path: Path,
) -> None:
    whole, second = (
        build(kind, world(name, env), methods=[switched_on(name)], backend=backend)
        for _ in range(2)
    )
    whole.learn(2 * 64)
    save_checkpoint(whole, tmp_path)
    whole.learn(2 * 64, reset_num_timesteps=False)
    load_checkpoint(tmp_path, second)
    second.learn(2 * 64, reset_num_timesteps=False)
    assert same(whole.policy, second.policy)
    assert same_optimizers(whole, second)
    assert same_states(whole, second)


@pytest.mark.parametrize("name", sorted(REPLAYING))
def test_ppo_refuses_what_needs_a_replay_buffer(name: str, build: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match=f"{name}' needs an agent that learns from a replay"):
        build(PPO, methods=[switched_on(name)])


@pytest.mark.parametrize("name", ON_PPO)
def test_ppo_learns_the_same_in_all_back_ends(
    name: str, twins: Callable[..., Any], train_both: Callable[..., None]
) -> None:
    reference, fast = twins("eager", env=world(name, ENVS[0]), methods=[switched_on(name)])
    train_both(reference, fast)


@pytest.mark.parametrize("name", ON_SAC)
def test_sac_learns_the_same_in_all_back_ends(name: str, build: Callable[..., Any]) -> None:
    # 24 gradient steps; later the actions, and so what is replayed, go apart as well.
    agents = [
        build(
            SAC, world(name, CASES[name].world), methods=[switched_on(name)], backend=backend
        ).learn(2 * 64)
        for backend in ("reference", "eager")
    ]
    wanted, got = (parameters_to_vector(agent.policy.parameters()).detach() for agent in agents)
    assert (wanted - got).norm() <= 1e-5 * wanted.norm()


@pytest.mark.parametrize(("name", "kind"), [each[:2] for each in ALL_AGENTS])
def test_global_generators_stay_as_they_are(
    name: str, kind: type, build: Callable[..., Any]
) -> None:
    build(PLAIN[kind], policy_kwargs={"net_arch": [8]}, seed=0)
    wanted = torch.rand(3), np.random.rand(3)
    build(kind, policy_kwargs={"net_arch": [8]}, seed=0, methods=[switched_on(name)])
    assert torch.equal(torch.rand(3), wanted[0])
    assert (np.random.rand(3) == wanted[1]).all()


TOGETHER = [
    ("nap", "continual-backprop"),
    ("layer-norm", "l2-init"),
    ("elephant", "layer-norm"),
    ("crelu", "spectral"),
    ("weight-norm", "shrink-and-perturb"),
    ("redo", "nap"),
]


def learn_together(names: tuple[str, str], twins: Any, train_both: Any) -> None:
    """Train both in two back ends, and see that they agree."""
    # TRAC makes rounding errors grow: in double precision it agrees as all do.
    dtype = torch.float64 if "trac" in names else torch.float32
    reference, fast = twins("eager", dtype, methods=[switched_on(name) for name in names])
    train_both(reference, fast)
    parameters = parameters_to_vector(fast.policy.parameters())
    assert torch.isfinite(parameters).all()


@pytest.mark.parametrize("names", TOGETHER, ids="+".join)
def test_two_methods_together(
    names: tuple[str, str], twins: Callable[..., Any], train_both: Callable[..., None]
) -> None:
    learn_together(names, twins, train_both)


@pytest.mark.slow
@pytest.mark.parametrize("names", list(itertools.combinations(sorted(ON_PPO), 2)), ids="+".join)
def test_any_two_methods_go_together_or_say_why_not(
    names: tuple[str, str], twins: Callable[..., Any], train_both: Callable[..., None]
) -> None:
    refused = None
    try:
        learn_together(names, twins, train_both)
    except SettingsError as error:
        refused = str(error)
    whys = ("only one", "leave out one", "can't set the learning rate")
    assert refused is None or any(why in refused for why in whys)
