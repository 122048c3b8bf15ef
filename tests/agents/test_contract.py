"""What holds for every method and agent: a registered method joins by a row in `method_cases`."""

from __future__ import annotations

import io
import itertools
import random
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

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
from everlearn.agents.method import overrides
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

sys.path.insert(0, str(Path(__file__).parent))
from method_cases import (  # type: ignore[import-not-found]
    CASES,
    ON_PPO,
    ON_SAC,
    REPLAYING,
    switched_on,
)

ENVS = ["Pendulum-v1", "CartPole-v1"]
AGENTS = [PPO, SAC]
PAIRS = [(PPO, "Pendulum-v1"), (PPO, "CartPole-v1"), (SAC, "Pendulum-v1")]
KNOBS = {"Pendulum-v1": "pendulum-gravity", "CartPole-v1": "cartpole-gravity"}
PLAIN: dict[type, Any] = {PPO: stable_baselines3.PPO, SAC: stable_baselines3.SAC}


@pytest.fixture(params=["reference", "eager"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def world(name: str, env: str) -> Any:
    """Return a world of several tasks for a method that keeps them: gravity 1, 2, 3, 1 ..."""
    if not isinstance(switched_on(name), RetentionMethod):
        return env
    change = Change(KNOBS[env], Values((1.0, 2.0, 3.0)), Periodic(48))
    stream = Stream("everlearn/Told-v0", (env,), (change,), boundary_labels="always")
    return make_vec_env(stream, 1, seed=3)


def acts_after_steps(name: str) -> bool:
    return overrides(switched_on(name), "after_step")


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


@pytest.mark.parametrize("backend", ["reference", "eager"])
def test_where_a_task_has_just_begun_it_goes_on_to_the_last_bit(
    build: Callable[..., Any], backend: str, same: Callable[..., bool], tmp_path: Path
) -> None:
    methods = [make_method("fine-tuning"), switched_on("redo")]
    whole, second = (
        build(SAC, world("fine-tuning", ENVS[0]), methods=methods, backend=backend)
        for _ in range(2)
    )
    # A task begins at step 96, and is not learned before step 128.
    whole.learn(104)
    save_checkpoint(whole, tmp_path)
    whole.learn(64, reset_num_timesteps=False)
    load_checkpoint(tmp_path, second)
    second.learn(64, reset_num_timesteps=False)
    assert same(whole.policy, second.policy)
    assert same_optimizers(whole, second)
    assert torch.equal(whole.log_ent_coef, second.log_ent_coef)


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
    ("cotasp", "shrink-and-perturb"),
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
    whys = (
        "only one",
        "leave out one",
        "can't set the learning rate",
        "activations that are 0 at 0",
    )
    assert refused is None or any(why in refused for why in whys)
