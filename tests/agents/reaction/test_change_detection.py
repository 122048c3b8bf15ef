"""What a method notices reaches all methods, and nothing of the truth with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from everlearn.agents import PPO, SAC
from everlearn.agents.experience import Experience
from everlearn.agents.method import Method
from everlearn.agents.registry import make_method
from everlearn.envs import make_stream, make_vec_env
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.info import BOUNDARY, CONTEXT, DETECTED


class Alarm(Method):
    """Notices something at two steps."""

    name = "alarm"

    def notices(self, experience: Experience) -> bool:
        type(self).steps += 1
        return self.steps in (20, 50)

    steps = 0


class Listener(Method):
    name = "listener"
    heard: list[Mapping[str, Any]]

    def on_change(self, info: Mapping[str, Any]) -> None:
        type(self).heard.append(dict(info))


@pytest.mark.parametrize("kind", [PPO, SAC])
@pytest.mark.parametrize("told", ["none", "training"])
def test_all_methods_hear_of_it(kind: type, told: Any, build: Callable[..., Any]) -> None:
    Listener.heard, Alarm.steps = [], 0
    # The second step is that of a change, which may be told.
    stream = make_stream("everlearn/SlipperyAnt-v0:change_every=50")
    worlds = make_vec_env(replace(stream, boundary_labels=told), 1, seed=0)
    build(kind, worlds, methods=[Alarm(), Listener()]).learn(64)
    first, second = Listener.heard
    assert first == {DETECTED: True}
    assert second[DETECTED]
    assert (BOUNDARY in second) == (CONTEXT in second) == (told == "training")


def test_the_bayesian_test_takes_probabilities() -> None:
    with pytest.raises(SettingsError, match="'threshold' must be less than 1 for the Bayesian"):
        make_method("change-detection", test="bayesian", threshold=5)
    method: Any = make_method("change-detection", test="bayesian", window=40)
    assert (method.make_detector().recent, method.make_detector().longest) == (20, 80)
