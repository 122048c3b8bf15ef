from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from everlearn.scripts.sweep import main
from everlearn.training.stopping import Stopped
from everlearn.training.sweep import trials
from everlearn.training.sweep.folder import SweepFolder
from everlearn.training.sweep.seeds import FIRST_TUNING_SEED
from everlearn.training.sweep.units import Unit

sys.path.insert(0, str(Path(__file__).parent))
from conftest import TINY, finish  # type: ignore[import-not-found]

pytest.importorskip("optuna", reason="Optuna is an extra: everlearn[search]")

ASKED = [
    *(["search", "--seeds", "0-1", "--trials", "12", "--space", "learning-rate=1e-4..1e-2:log"]),
    *TINY.split(),
]
ITERATIONS = 6


class Learners:
    """Stands for what runs units: the smaller the learning rate, the larger the return."""

    def __init__(self) -> None:
        self.calls = 0
        self.iterations: list[int] = []
        self.folders: list[str] = []
        self.stop_at: int | None = None

    def __call__(
        self,
        sweep: SweepFolder,
        units: Sequence[Unit],
        left: Sequence[Unit],
        engine: object,
        look: Callable[[], None],
    ) -> None:
        self.calls += 1
        self.iterations.append(0)
        self.folders += [unit.folder for unit in left]
        for iteration in range(1, ITERATIONS + 1):
            for unit in left:
                folder = sweep.runs_folder / unit.folder
                folder.mkdir(parents=True, exist_ok=True)
                value = -float(unit.settings["learning_rate"])
                rows = [f"{i},{i * 64},{value}" for i in range(1, iteration + 1)]
                text = "\n".join(["iteration,step,continual/return", *rows])
                (folder / "iterations.csv").write_text(text + "\n")
            self.iterations[-1] = iteration
            if self.stop_at == self.calls and iteration == 3:
                raise Stopped(2)
            look()
        for unit in left:
            finish(sweep, unit)


@pytest.fixture
def learners(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Learners:
    monkeypatch.chdir(tmp_path)
    made = Learners()
    monkeypatch.setattr(trials, "run_units", made)
    monkeypatch.setattr(trials, "EVERY", 0.0)
    return made


def shown_trials(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("trial  "))
    return lines[start:]


def test_the_best_is_found_and_the_worse_given_up(
    learners: Learners, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ASKED) == 0
    table = shown_trials(capsys)
    rates = [float(line.split()[1]) for line in table[1:13]]
    ended = [float(line.split()[1]) for line in table[1:13] if "given up" not in line]
    assert ended[0] == min(rates)
    assert ended == sorted(ended)
    assert len(ended) >= trials.SPARED
    given_up = [count for count in learners.iterations if count < ITERATIONS]
    assert given_up
    assert len(ended) + len(given_up) == 12
    assert table[13].startswith("best: --learning-rate ")
    # Never a seed that a report may have.
    seeds = {int(folder.rsplit("_", 1)[1]) for folder in learners.folders}
    assert seeds == {FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1}


def test_a_search_goes_on_as_if_it_had_not_been_ended(
    learners: Learners, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASKED, "--runs-folder", "whole"]) == 0
    whole = shown_trials(capsys)
    learners.calls, learners.stop_at = 0, 3
    assert main(ASKED) == 130
    learners.stop_at = learners.calls + 2
    assert main(ASKED) == 130
    capsys.readouterr()
    learners.stop_at = None
    assert main(ASKED) == 0
    parted = shown_trials(capsys)
    # Those that were tried again have other numbers.
    assert [line.split()[1:] for line in parted[1:14]] == [line.split()[1:] for line in whole[1:14]]

    calls = learners.calls
    assert main(ASKED) == 0
    assert learners.calls == calls
    assert main(["13" if word == "12" else word for word in ASKED]) == 0
    assert learners.calls == calls + 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "search for what"),
        ("--space learning-rte=1..2", "learning-rte"),
        ("--space gamma=0.1..0.9 --methods none redo", "one agent with one set of methods"),
        ("--space gamma=0.1..0.9 --engine slurm", "waits for its trials"),
        ("--space gamma=0.1..0.9 --trials 0", "--trials must be 1 or more"),
        ("--space gamma=1.1..1.9", "--gamma must be from 0 to 1"),
    ],
)
def test_what_cannot_be_searched(
    arguments: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    # tyro leaves by itself.
    with pytest.raises(SystemExit, match="2"):
        sys.exit(main(["search", *arguments.split()]))
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_another_search_of_the_same_name(
    learners: Learners, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["search", "--seeds", "0", "--trials", "1", *TINY.split(), "--space"]
    assert main([*asked, "gamma=0.9..0.99"]) == 0
    assert main([*asked, "gamma=0.9..0.999"]) == 2
    assert "choose another --name" in capsys.readouterr().err
    assert main([*asked, "gamma=0.9..0.99", "--n-epochs", "2"]) == 2
    assert main([*asked, "gamma=0.9..0.99", "--measure", "rollout/ep_rew_mean"]) == 2


def test_a_measure_that_is_not_there(
    learners: Learners, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["search", "--seeds", "0", "--measure", "reward", *TINY.split()]
    assert main([*asked, "--space", "gamma=0.9..0.99"]) == 2
    assert "no run of the search has a number in reward" in capsys.readouterr().err
