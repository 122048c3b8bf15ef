from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger
from torch import nn

from everlearn.agents import SAC
from everlearn.agents.layers import HiddenLayer, Part
from everlearn.agents.replay import AdaptiveReplayRatio
from everlearn.agents.replay.replay import Replay
from everlearn.wrappers.errors import SettingsError

WIDTH = 10_000


class Rows(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.rows.append({**key_values, "step": step})

    def close(self) -> None:
        return None


def critic(index: int) -> Part:
    output = nn.Linear(WIDTH, 1)
    layer = HiddenLayer(nn.Linear(1, WIDTH), nn.ReLU(), (output,))
    parameters = tuple(output.parameters())
    return Part(f"critic_{index}", (layer,), (output,), parameters, torch.optim.SGD(parameters))


class Critics:
    """Two critics whose units are active as told."""

    def __init__(self, **settings: Any) -> None:
        self.method = AdaptiveReplayRatio(**settings)
        self.parts = [critic(0), critic(1)]
        self.method.attach(self.parts, 0)
        self.episodes = 0

    def update(self, fraction: float) -> None:
        for part in self.parts:
            features = torch.zeros(1, WIDTH)
            features[0, : round(fraction * WIDTH)] = 1
            part.hidden[0].features = features
            self.method.after_step(part)

    def ratio(self, new_episodes: int = 0) -> float:
        self.episodes += new_episodes
        replay = Replay(None, 0, self.episodes, 1.0)  # type: ignore[arg-type]
        self.method.before_updates(replay)
        return replay.ratio

    def ratios(self, fractions: Sequence[float]) -> list[float]:
        """Have an episode of one update for each fraction."""
        ratios = []
        for fraction in fractions:
            self.update(fraction)
            ratios.append(self.ratio(1))
        return ratios


def test_it_switches_once_where_the_fraction_has_settled() -> None:
    critics = Critics(check_every=1, noise=0)
    assert critics.method.watch.ratio == 0.5
    critics.update(0.49)
    # 0.49 is the first batch, and with 0.31 makes the mean of 0.40 at the first check.
    assert critics.ratios([0.31, 0.3705, 0.37, 0.1, 0.8]) == [0.5, 0.5, 2, 2, 2]
    assert critics.method.watch.mean == pytest.approx(0.8)


def test_only_the_last_episodes_before_a_check_count() -> None:
    critics = Critics(check_every=3, window=1)
    assert critics.ratios([0.5, 0.1, 0.4]) == [0.5, 0.5, 0.5]
    assert critics.method.watch.mean == pytest.approx(0.4)
    critics.ratios([0.9, 0.9])
    assert critics.method.watch.updates == 0
    assert critics.ratios([0.4005]) == [2]


@pytest.mark.parametrize(("noise", "wanted"), [(0.0, 0.5), (2.0, 2.0)])
def test_the_tolerance_knows_of_noise(noise: float, wanted: float) -> None:
    critics = Critics(check_every=1, noise=noise, gap=0.0, min_checks=3)
    for episode in ([0.5, 0.6], [0.4, 0.42, 0.44], [0.41, 0.43, 0.45]):
        for fraction in episode:
            critics.update(fraction)
        ratio = critics.ratio(1)
    # Means of 0.42 and 0.43, each with a standard error of 0.0094.
    assert critics.method.watch.error_before == pytest.approx(0.016330 / np.sqrt(3), rel=1e-4)
    assert ratio == wanted


def test_the_first_checks_can_be_left_out() -> None:
    critics = Critics(check_every=1, min_checks=3)
    assert critics.ratios([0.4, 0.4, 0.4]) == [0.5, 0.5, 2]


def test_episodes_that_end_together_are_a_window() -> None:
    critics = Critics(check_every=10, window=1, gap=0.0)
    critics.update(0.5)
    critics.ratio(8)
    assert critics.method.watch.opened == -1
    critics.ratio(8)
    critics.update(0.3)
    critics.ratio(0)
    assert critics.method.watch.checks == 0
    critics.ratio(8)
    assert (critics.method.watch.checks, critics.method.watch.checked) == (1, 24)
    assert critics.method.watch.mean == pytest.approx(0.3)


def test_the_continuous_rule_goes_both_ways() -> None:
    settings = {"least_active": 0.3, "most_active": 0.5, "low": 0.25, "high": 4.0}
    critics = Critics(check_every=1, rule="continuous", **settings)
    ratios = critics.ratios([0.2, 0.3, 0.4, 0.6, 0.35])
    assert ratios == pytest.approx([0.25, 0.25, 1, 4, 0.5])


def test_the_fraction_is_that_of_all_pairs_of_all_critics() -> None:
    agent = SAC(
        "MlpPolicy",
        "Pendulum-v1",
        policy_kwargs={"net_arch": [8, 4]},
        methods=[AdaptiveReplayRatio()],
        learning_starts=20,
        batch_size=5,
        buffer_size=100,
        backend="eager",
        device="cpu",
        seed=0,
    )
    with torch.no_grad():
        for network, biases in zip(agent.critic.q_networks, ((-99, 99), (99, -99)), strict=True):
            for layer, bias in zip((network[0], network[2]), biases, strict=True):  # type: ignore[index]
                layer.weight.fill_(0)
                layer.bias.fill_(bias)
        agent.critic.q_networks[0][0].bias[:3] = 99  # type: ignore[index]
    agent.learn(22)
    method: Any = agent.methods[0]
    # 3 of 8, 4 of 4, 8 of 8 and none of 4, in each of 5 rows.
    assert method.watch.before == (3 + 4 + 8 + 0) / 24


def test_units_that_are_never_off_are_refused() -> None:
    with pytest.raises(SettingsError, match="needs critics of ReLU or tanh units, not ELU"):
        SAC(
            "MlpPolicy",
            "Pendulum-v1",
            policy_kwargs={"activation_fn": nn.ELU},
            methods=[AdaptiveReplayRatio()],
            buffer_size=10,
        )


def count_updates(agent: Any) -> list[int]:
    """Count the critics' steps at their optimizer, by environment step."""
    counts: list[int] = []
    agent.critic.optimizer.register_step_post_hook(lambda *_: counts.append(agent.num_timesteps))
    return counts


def learn_with_rows(agent: Any, steps: int, **own: Any) -> list[dict[str, Any]]:
    rows = Rows()
    agent.set_logger(Logger(None, [rows]))
    agent.learn(steps, **own)
    return rows.rows


@pytest.mark.parametrize("n_envs", [1, 3, 8])
@pytest.mark.parametrize("ratio", [0.25, 1, 4])
def test_the_logged_ratio_is_updates_by_transitions(
    ratio: float, n_envs: int, build: Callable[..., Any]
) -> None:
    env = make_vec_env("Pendulum-v1", n_envs, seed=0)
    settings = {"train_freq": 1, "iteration_steps": 24, "backend": "reference"}
    agent = build(SAC, env, replay_ratio=ratio, learning_starts=23, **settings)
    updates = count_updates(agent)
    rows = learn_with_rows(agent, 48)
    assert isinstance(agent.ratio.value, float)
    changed = {0.25: 1.0, 1: 4.0, 4: 0.25}[ratio]
    agent.ratio.value = changed
    rows += learn_with_rows(agent, 48, reset_num_timesteps=False)
    begin = 0
    for row in rows:
        made = sum(begin < step <= row["step"] for step in updates)
        assert row["replay/ratio"] == made / (row["step"] - begin)
        begin = row["step"]
    assert [row["replay/ratio"] for row in rows[1:]] == [ratio, changed, changed]
    # The first rollout that counts is the one that goes beyond the 23.
    assert len(updates) == int(ratio * (n_envs + 24) + changed * 48)


def test_the_switch_changes_the_logged_ratio_in_mid_run(build: Callable[..., Any]) -> None:
    method = AdaptiveReplayRatio(low=0.5, high=2, check_every=1, gap=1, min_checks=1)
    settings = {"train_freq": 1, "iteration_steps": 50, "replay_ratio": 9, "backend": "eager"}
    agent = build(SAC, methods=[method], **settings)
    rows = learn_with_rows(agent, 350)
    # The episode ends at step 200, whose transition counts as those that follow.
    assert agent._n_updates == int(0.5 * (199 - 32) + 2 * 151)
    assert [row["replay/asked_ratio"] for row in rows] == [0.5, 0.5, 0.5, 2, 2, 2, 2]
    assert [row["replay/ratio"] for row in rows[1:3]] == [0.5, 0.5]
    assert [row["replay/ratio"] for row in rows[4:]] == [2, 2, 2]
    assert 0 < rows[-1]["replay/active_units"] < 1
