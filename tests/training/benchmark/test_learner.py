from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch

from everlearn.training.benchmark import learner, ppo, sac
from everlearn.training.benchmark.cleanrl import StraightPPO
from everlearn.training.benchmark.learner import CLEANRL, SB3, SBX, BenchmarkLearner, Shape
from everlearn.training.benchmark.sbx import SBXProcess, Timed
from everlearn.wrappers.errors import SettingsError

TINY = Shape("tiny", 3, 2, 64, 1024)
CHOICE = Shape("tiny, discrete", 3, 2, 64, 1024, discrete=True)


@pytest.fixture(autouse=True)
def keep_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the tests' process on all its cores, with one thread."""
    monkeypatch.setattr(learner, "hold_cores", lambda threads: threads == 1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def eager_only(made: dict[str, Any]) -> dict[str, Any]:
    """Leave the compiler out: tests of what it makes are elsewhere."""
    for agent in made.values():
        if agent is not made[SB3]:
            agent._learner.compiled = False
    return made


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_record_holds_all_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = ppo.update_candidates
    monkeypatch.setattr(learner, "SHAPES", (TINY, CHOICE))
    monkeypatch.setattr(ppo, "update_candidates", lambda *given: eager_only(make(*given)))
    file = tmp_path / "record.jsonl"
    BenchmarkLearner(rounds=1, most_rounds=1, n_epochs=1, parts=("update",), output=file).run()
    head, *rows = read(file)
    assert head["benchmark"] == "learner"
    assert head["machine"]["cores"] >= 1
    assert [row["candidate"] for row in rows] == 2 * [SB3, "eager", "compiled", ppo.CBP]
    assert rows[0]["ratio_to_sb3"] == 1
    for first in (0, 4):
        assert 0 < rows[first + 1]["error_of_parameters"] < 1e-5
        assert rows[first + 3]["error_of_parameters"] is None
    assert "microseconds a minibatch" in capsys.readouterr().out


def test_ppo_is_measured_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everlearn.agents.ppo.agent.can_compile", lambda agent: False)
    file = tmp_path / "record.jsonl"
    BenchmarkLearner(
        rounds=1, most_rounds=1, n_epochs=1, parts=("worlds",), worlds=("CartPole-v1",), output=file
    ).run()
    _, *rows = read(file)
    names = [row["candidate"] for row in rows]
    assert names[0] == SB3
    assert CLEANRL in names
    assert SBX not in names
    for row in rows:
        parts = row["world_ms"] + row["inference_ms"] + row["update_ms"]
        assert parts == pytest.approx(2048e3 / row["steps_per_second"], rel=1e-6)
        assert min(row["world_ms"], row["inference_ms"], row["update_ms"]) > 0
        assert row["gflops"] > 0
        assert row["ratio_to_sbx"] is None


def test_sac_is_measured_by_replay_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everlearn.agents.sac.agent.can_compile", lambda agent: False)
    monkeypatch.setattr("everlearn.training.benchmark.learner_rows.SAC_UPDATES", 4)
    monkeypatch.setattr(sac, "WIDTH", 8)
    file = tmp_path / "record.jsonl"
    BenchmarkLearner(
        rounds=1, most_rounds=1, parts=("sac",), replay_ratios=(1, 4), output=file
    ).run()
    _, *rows = read(file)
    assert [(row["replay_ratio"], row["candidate"]) for row in rows] == [
        (ratio, name) for ratio in (1, 4) for name in (SB3, "eager", "compiled", sac.BFLOAT16)
    ]
    assert {row["threads"] for row in rows} == {1}
    assert 0 < rows[1]["error_of_parameters"] < 1e-4
    assert rows[3]["error_of_parameters"] is None


def test_operations_of_sac_are_those_of_its_products() -> None:
    """Compared with torch's own count, for the reference's update."""
    import stable_baselines3
    from torch.utils.flop_counter import FlopCounterMode

    agent = sac._make(stable_baselines3.SAC, buffer_size=300, learning_starts=0)
    with FlopCounterMode(display=False) as counter:
        sac._parameters(agent, 1)
    # It also computes the gradients of the critics' weights in the actor's loss.
    critic = 23 * 256 + 256 * 256 + 256
    superfluous = 2 * 256 * 2 * critic
    # And those of its first layers in what was observed, or not: a few per cent.
    counted = counter.get_total_flops() - superfluous
    assert counted == pytest.approx(sac.operations(), rel=0.03)


def test_back_ends_that_differ_are_not_compared() -> None:
    agents = ppo.update_candidates(TINY, 1)
    agents["eager"].ent_coef = 0.5
    with pytest.raises(RuntimeError, match="the parameters differ by"):
        ppo.agreement(agents[SB3], agents["eager"])


def test_the_straight_loop_learns(tmp_path: Path) -> None:
    agent = StraightPPO("CartPole-v1", 4, 512, 10, 64, str(tmp_path))
    lengths: list[float] = []
    add = agent.writer.add_scalar

    def listen(tag: str, value: float, step: int) -> None:
        add(tag, value, step)
        if tag == "charts/length":
            lengths.append(float(value))

    agent.writer.add_scalar = listen  # type: ignore[assignment,method-assign]
    took = Timed(agent).turn(512 * 10)
    assert sum(lengths[:20]) / 20 < 40
    assert sum(lengths[-10:]) / 10 > 50
    assert took["wall"] > took["world"] + took["update"] > 0
    agent.env.close()
    agent.writer.close()


def test_the_straight_loop_bootstraps_at_time_limits(tmp_path: Path) -> None:
    agent = StraightPPO("Pendulum-v1", 1, 400, 1, 64, str(tmp_path))
    with torch.no_grad():
        last: Any = agent.network.critic[-1]
        last.weight.zero_()
        last.bias.fill_(1000.0)
    agent._collect()
    rewards = agent._rollout["rewards"].flatten()
    assert torch.nonzero(rewards > 900).flatten().tolist() == [199, 399]
    agent.env.close()
    agent.writer.close()


def test_a_process_that_ends_is_told(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match="the process of SBX ended with 3"):
        SBXProcess(str(program))


def test_cores_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system pins nothing")
    held: list[list[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {4, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: held.append(list(cores)))
    monkeypatch.setattr(learner, "_CORES", set())
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    assert [learner.hold_cores(threads) for threads in (3, 2, 1)] == [False, True, True]
    assert held == [[4, 7], [7]]


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"most_rounds": 0}, "--most-rounds must be 1 or more, not 0"),
        ({"replay_ratios": (1, 0)}, "--replay-ratios must be 1 or more, not"),
        ({"sbx_python": "no-such-python"}, "--sbx-python must be a program, not no-such-python"),
        ({"worlds": ("CartPol-v1",)}, "unknown world 'CartPol-v1': did you mean"),
    ],
)
def test_what_is_out_of_range_is_refused(own: dict[str, Any], sentence: str) -> None:
    assert "CartPole-v1" in gymnasium.registry
    with pytest.raises(SettingsError, match=sentence):
        BenchmarkLearner(**own).run()
