from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stable_baselines3
import torch

from everlearn.agents import SAC
from everlearn.agents.replay.donor import begin_from
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize("kind", [SAC, stable_baselines3.SAC])
@pytest.mark.parametrize("whole", ["zip", "folder"])
def test_an_agent_begins_with_anothers_networks_optimizers_and_temperature(
    kind: Any, whole: str, build: Callable[..., Any], same: Callable[..., bool], tmp_path: Path
) -> None:
    donor = build(kind, seed=7).learn(80)
    donor.save(tmp_path / "model.zip")
    agent = build(SAC)
    begin_from(agent, tmp_path if whole == "folder" else tmp_path / "model.zip")
    assert same(donor.policy, agent.policy)
    assert torch.equal(donor.log_ent_coef, agent.log_ent_coef)
    for name in ("actor.optimizer", "critic.optimizer", "ent_coef_optimizer"):
        owner, _, last = name.rpartition(".")
        one, other = (
            getattr(getattr(each, owner) if owner else each, last).state_dict()["state"]
            for each in (donor, agent)
        )
        assert one.keys() == other.keys() != set()
        assert all(
            torch.equal(one[key][entry], other[key][entry]) for key in one for entry in one[key]
        )
    assert agent.replay_buffer.size() == agent.num_timesteps == 0
    agent.learn(80)
    assert not same(donor.policy, agent.policy)


def test_donors_that_are_none_get_a_sentence(build: Callable[..., Any], tmp_path: Path) -> None:
    agent = build(SAC)
    with pytest.raises(SettingsError, match=r"there is no model.zip in .*: has the run finished"):
        begin_from(agent, tmp_path)
    with pytest.raises(SettingsError, match="there is no agent"):
        begin_from(agent, tmp_path / "nothing.zip")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(SettingsError, match="cannot begin from the agent"):
        begin_from(agent, tmp_path / "text.zip")
    build(SAC, policy_kwargs={"net_arch": [4]}).save(tmp_path / "small.zip")
    with pytest.raises(SettingsError, match="cannot begin from the agent") as caught:
        begin_from(agent, tmp_path / "small.zip")
    assert "\n" not in str(caught.value)
