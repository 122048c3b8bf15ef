from __future__ import annotations

from typing import Any

import pytest

from everlearn.training.ppo import TrainPPO
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        ({}, 256),
        ({"n_envs": 1}, 2048),
        ({"n_envs": 3}, 682),
        ({"n_envs": 4096}, 1),
        ({"n_steps": 7}, 7),
    ],
)
def test_all_copies_together_make_a_rollout(settings: dict[str, Any], length: int) -> None:
    assert TrainPPO(**settings).rollout_length == length


def test_the_learner_is_ppo_alone_with_nothing_open() -> None:
    learner = TrainPPO(seed=3).learner()
    assert learner["n_steps"] == 256
    assert learner["learning_rate"] == 1e-4
    assert not {"seed", "stream", "total_steps", "runs_folder"} & set(learner)
    assert None not in learner.values()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"total_steps": -5}, "--total-steps must be 1 or more, not -5"),
        ({"total_steps": 0}, "--total-steps must be 1 or more, not 0"),
        ({"seed": -1}, "--seed must be from 0 to 4294967295, not -1"),
        ({"n_envs": 0}, "--n-envs must be 1 or more, not 0"),
        ({"threads": 0}, "--threads must be 1 or more, not 0"),
        ({"device": "gpu"}, "--device must be cpu, cuda or cuda:N, not gpu"),
        ({"n_steps": 0}, "--n-steps must be 1 or more, not 0"),
        ({"n_steps": 1, "n_envs": 1}, "--n-steps must be 2 or more for one copy, not 1"),
        ({"batch_size": 1}, "--batch-size must be 2 or more, not 1"),
        ({"learning_rate": float("nan")}, "--learning-rate must be more than 0, not nan"),
        ({"gamma": 1.01}, "--gamma must be from 0 to 1, not 1.01"),
        ({"adam_beta1": 1.0}, "--adam-beta1 must be 0 or more and less than 1, not 1.0"),
        ({"weight_decay": -1e-4}, "--weight-decay must be 0 or more, not -0.0001"),
        ({"hidden_sizes": (64, 0)}, r"--hidden-sizes must be 1 or more each, not \(64, 0\)"),
    ],
)
def test_numbers_out_of_range(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        TrainPPO(**settings).check()


def test_the_defaults_are_in_range() -> None:
    TrainPPO().check()
