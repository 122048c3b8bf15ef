from __future__ import annotations

import numpy as np
import pytest

from everlearn.agents.secbad.memory import StepMemory


def fill(memory: StepMemory, n_steps: int, begins: set[tuple[int, int]]) -> None:
    """Let step t of copy c hold (t, c)."""
    for step in range(memory.n_added, memory.n_added + n_steps):
        first = np.array([(step, copy) in begins or step == 0 for copy in range(2)])
        memory.add(np.array([[step, copy] for copy in range(2)], dtype=np.float32), first)


BEGINS = {(4, 0), (7, 0), (3, 1), (11, 0)}


@pytest.mark.parametrize("n_steps", [9, 15])
def test_whole_segments_are_drawn_from_their_beginning(n_steps: int) -> None:
    memory = StepMemory(10, 2, 2)
    fill(memory, n_steps, BEGINS)
    oldest = max(n_steps - 10, 0)
    assert len(memory) == min(n_steps, 10)
    steps, valid = memory.draw(np.random.default_rng(0), 200, 6, whole=True)
    lengths = valid.sum(dim=0)
    assert (lengths >= 1).all()
    for one, length in zip(steps.unbind(dim=1), lengths, strict=True):
        rows, copy = one[:length, 0].int().tolist(), int(one[0, 1])
        starts = sorted({0, *(t for t, c in BEGINS if c == copy)})
        begin = max(start for start in starts if start <= rows[0])
        end = min([start for start in starts if start > rows[0]] + [n_steps])
        first = max(begin, oldest)
        assert rows == list(range(first, min(end, first + 6)))
        assert (one[length:] == 0).all()


def test_stretches_begin_anywhere_and_are_whole() -> None:
    memory = StepMemory(10, 2, 2)
    fill(memory, 17, BEGINS)
    steps, valid = memory.draw(np.random.default_rng(0), 100, 4, whole=False)
    assert valid.all()
    assert (steps[1:, :, 0] - steps[:-1, :, 0] == 1).all()
    assert set(steps[0, :, 0].tolist()) == {7, 8, 9, 10, 11, 12, 13}
    assert set(steps[0, :, 1].tolist()) == {0, 1}
    _, few = memory.draw(np.random.default_rng(0), 5, 14, whole=False)
    assert few.sum(dim=0).tolist() == [10] * 5


def test_a_state_goes_on_as_its_memory() -> None:
    memory, other = StepMemory(10, 2, 2), StepMemory(10, 2, 2)
    fill(memory, 13, BEGINS)
    other.set_state(memory.get_state())
    for one in (memory, other):
        fill(one, 4, {(14, 1)})
    drawn = [one.draw(np.random.default_rng(1), 50, 5, whole=True) for one in (memory, other)]
    for mine, theirs in zip(*drawn, strict=True):
        assert (mine == theirs).all()
