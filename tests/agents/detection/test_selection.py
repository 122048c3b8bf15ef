"""A returning task picks its old expert."""

from __future__ import annotations

import numpy as np
import pytest

from everlearn.agents.detection import LossDeviation, Usual, select_expert, usual_of
from everlearn.wrappers.errors import SettingsError

N_RECENT = 3


class Line:
    """An expert: a line that is learned by gradient descent from batches of two."""

    def __init__(self) -> None:
        self.weights = np.zeros(3)

    def loss(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        return float(np.square(inputs @ self.weights - targets).mean())

    def learn(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        self.weights -= 0.05 * inputs.T @ (inputs @ self.weights - targets) / len(inputs)


def live_through(tasks: str, seed: int, length: int = 400) -> list[int]:
    """Return the active expert at the end of each task, by TAME's rules."""
    rng = np.random.default_rng(seed)
    lines = {name: rng.normal(size=3) * 2 for name in sorted(set(tasks))}
    detector = LossDeviation()
    state = detector.begin()
    experts, usual, active = [Line()], [Usual(0, 0)], 0
    ended: list[int] = []
    recent: list[tuple[np.ndarray, np.ndarray]] = []
    for name in tasks:
        for _ in range(length):
            inputs = rng.normal(size=(32, 3))
            targets = inputs @ lines[name] + 0.5 * rng.normal(size=32)
            recent = [*recent, (inputs, targets)][-N_RECENT:]
            known = usual_of(state.values, state.seen, detector.window)
            state, alarm = detector.step(state, experts[active].loss(inputs, targets))
            if alarm:
                assert known is not None
                usual[active] = known
                losses = [[expert.loss(*batch) for batch in recent] for expert in experts]
                chosen = select_expert(losses, usual)
                if chosen is None:
                    experts.append(Line())
                    usual.append(Usual(0, 0))
                active = len(experts) - 1 if chosen is None else chosen
            # What is suspected to be of another task would spoil the expert.
            if not detector.suspects(state):
                experts[active].learn(inputs, targets)
        ended.append(active)
    return ended


@pytest.mark.parametrize("seed", range(5))
def test_a_returning_task_picks_its_old_expert(seed: int) -> None:
    assert live_through("ABACBCA", seed) == [0, 1, 0, 2, 1, 2, 0]


def test_the_least_deviating_expert_is_selected() -> None:
    usual = [Usual(1.0, 1.0), Usual(1.0, 0.1), Usual(0.0, 0.0)]
    assert select_expert([[1.2], [1.1], [5.0]], usual) == 0
    assert select_expert([[2.0], [1.05], [5.0]], usual) == 1
    assert select_expert([[7.0], [2.0], [5.0]], usual) is None
    assert select_expert([[7.0], [2.0], [5.0]], usual, threshold=6.5) == 0
    assert select_expert([], []) is None


def test_bad_input_gets_a_sentence() -> None:
    with pytest.raises(SettingsError, match="threshold of an expert must be more than 0, not 0"):
        select_expert([], [], threshold=0)
    with pytest.raises(SettingsError, match="losses must be finite, and have a mean of nan"):
        select_expert([[float("nan")]], [Usual(0, 1)])
