from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from everlearn.agents.offline import CQL, IQL, OER, FamO2O, OnlineFamO2O
from everlearn.evaluation.records import read_run
from everlearn.scripts.collect import main as collect
from everlearn.scripts.train_offline import main
from everlearn.scripts.train_sac import main as train_sac

pytest.importorskip("minari", reason="minari is an extra: everlearn[offline]")

STREAM = "everlearn/SlipperyAnt-v0:change_every=50"
TINY = (
    "--total-steps {steps} --iteration-steps 10 --batch-size 8 --hidden-sizes 8 8 "
    "--checkpoint-every 2 --evaluate-every 3 --evaluation-steps 10 --evaluation-episodes 1"
)
AGENTS: dict[str, Any] = {"iql": IQL, "cql": CQL, "famo2o": FamO2O, "oer": OER}
OWN = {
    "iql": ["iql", "--expectile", "0.8"],
    "cql": ["cql", "--n-actions", "2", "--calibrated"],
    "famo2o": ["famo2o", "--coefficients", "1", "3"],
    "oer": ["oer", "--steps-per-set", "30"],
}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "random"
    assert collect(["--output", str(folder), "--stream", STREAM, "--steps", "100"]) == 0
    return folder


def train(agent: str, collected: Path, folder: Path, steps: int) -> Path:
    shared = TINY.format(steps=steps).split()
    sets = [str(collected)] * (2 if agent == "oer" else 1)
    place = ["--sets", *sets, "--runs-folder", str(folder)]
    assert main([*OWN[agent], *shared, *place]) == 0
    (run,) = folder.glob(f"SlipperyAnt-v0/{agent}/*/seed_0")
    return run


@pytest.mark.parametrize(
    "agent", ["iql", *(pytest.param(name, marks=pytest.mark.slow) for name in list(AGENTS)[1:])]
)
def test_a_run_goes_on_to_the_last_bit(
    agent: str, collected: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(agent, collected, tmp_path / "whole", 60)
    train(agent, collected, tmp_path / "parts", 35)
    parts = train(agent, collected, tmp_path / "parts", 60)
    assert "going on from there" in capsys.readouterr().out
    ours, theirs = (AGENTS[agent].load(run / "model.zip", device="cpu") for run in (whole, parts))
    for mine, its in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(mine, its)
    rows, again = (read_run(run).iterations for run in (whole, parts))
    assert rows["step"].tolist() == [10, 20, 30, 40, 50, 60]
    columns = [name for name in rows if not str(name).startswith("time/")]
    pd.testing.assert_frame_equal(rows[columns], again[columns])
    assert rows["train/critic_loss"].notna().all()
    tried = pd.read_csv(whole / "evaluations.csv")
    assert set(tried["iteration"]) == {0, 3, 6}
    pd.testing.assert_frame_equal(tried, pd.read_csv(parts / "evaluations.csv"))
    assert train(agent, collected, tmp_path / "whole", 60) == whole
    assert "already finished" in capsys.readouterr().out


def go_on(collected: Path, family: Path, folder: Path, steps: int) -> Path:
    shared = TINY.format(steps=steps).split()
    place = ["--sets", str(collected), "--runs-folder", str(folder), "--start-from", str(family)]
    assert main(["famo2o-online", *OWN["famo2o"][1:], *shared, *place]) == 0
    (run,) = folder.glob("SlipperyAnt-v0/famo2o-online/*/seed_0")
    return run


@pytest.mark.slow
def test_a_family_goes_on_online_and_to_the_last_bit(
    collected: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = train("famo2o", collected, tmp_path, 20)
    whole = go_on(collected, family, tmp_path / "whole", 60)
    go_on(collected, family, tmp_path / "parts", 35)
    parts = go_on(collected, family, tmp_path / "parts", 60)
    assert "going on from there" in capsys.readouterr().out
    ours, theirs = (OnlineFamO2O.load(run / "model.zip", device="cpu") for run in (whole, parts))
    for mine, its in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(mine, its)
    assert (ours.num_timesteps, ours._n_updates) == (60, 60)
    rows, again = (read_run(run).iterations for run in (whole, parts))
    columns = [name for name in rows if not str(name).startswith("time/")]
    pd.testing.assert_frame_equal(rows[columns], again[columns])
    assert rows["train/coefficient"].between(1, 3).all()
    pd.testing.assert_frame_equal(*(pd.read_csv(r / "evaluations.csv") for r in (whole, parts)))
    other = ["famo2o-online", "--sets", str(collected), "--start-from", str(family)]
    assert main(other) == 2
    assert "--coefficients must be 1.0 3.0, as in" in capsys.readouterr().err


@pytest.mark.slow
def test_sac_goes_on_online(collected: Path, tmp_path: Path) -> None:
    run = train("cql", collected, tmp_path, 20)
    arguments = (
        f"--stream {STREAM} --total-steps 60 --n-envs 1 --iteration-steps 20 --learning-starts 20 "
        f"--batch-size 8 --hidden-sizes 8 8 --evaluate-every 0 --runs-folder {tmp_path} "
        f"--start-from {run} --earlier-runs {collected} --n-steps 2"
    )
    assert train_sac(arguments.split()) == 0
    assert len(list(tmp_path.glob("SlipperyAnt-v0/sac/*/seed_0/model.zip"))) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("iql", "--sets is needed"),
        ("iql --sets nowhere", "there is no collected set in nowhere"),
        ("iql --sets nowhere --expectile 1", "--expectile must be more than 0 and less than 1"),
        ("cql --sets x --weight -1", "--weight must be 0 or more, not -1.0"),
        (f"iql --sets nowhere --stream {STREAM}", "there is no collected set in nowhere"),
        ("oer --sets x --steps-per-set 1500", "--steps-per-set must be a multiple of"),
        ("famo2o-online --sets x", "--start-from must be a run folder of famo2o"),
    ],
)
def test_settings_that_cannot_be_used(arguments: str, sentence: str, refused: Any) -> None:
    assert sentence in refused(main, arguments.split())


@pytest.mark.parametrize("agent", OWN)
def test_help_has_a_line_for_each_setting(agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([agent, "--help"])
    shown = capsys.readouterr().out
    assert "--sets" in shown
    assert OWN[agent][1] in shown
