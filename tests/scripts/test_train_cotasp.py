from __future__ import annotations

from pathlib import Path

import pytest

from everlearn.evaluation.records import read_run, read_table
from everlearn.scripts.train_cotasp import main

TINY = (
    "--stream everlearn/CW3-v0:steps_per_task=40 --seed 0 --iteration-steps 20 "
    "--learning-starts 10 --batch-size 8 --actor-sizes 48 48 --critic-sizes 8 --evaluate-every 2 "
    "--evaluation-episodes 1 --evaluation-steps 5 --layer-diagnostics-every 0 "
    "--trainability-every 0 --histograms-every 0 --runs-folder {folder} "
    "--prompts distillation_steps=2,weight_updates=6,prompt_updates=2"
)


@pytest.mark.slow
def test_a_run_goes_on_in_the_middle_of_the_second_task(tmp_path: Path) -> None:
    """Its tables end as those of a run that was never interrupted."""
    whole, parted = (TINY.format(folder=tmp_path / name).split() for name in ("whole", "parted"))
    every = ["--checkpoint-every", "1", "--total-steps"]
    assert main([*whole, *every, "100"]) == 0
    assert main([*parted, *every, "60"]) == 0
    assert main([*parted, *every, "100"]) == 0
    folders = [
        next(tmp_path.glob(f"{name}/CW3-v0/cotasp/*/seed_0")) for name in ("whole", "parted")
    ]
    one, other = (read_run(folder).iterations for folder in folders)
    assert one["continual/task"].tolist() == [0, 1, 1, 2, 2]
    kept = [name for name in one if not name.startswith("time/")]
    assert one[kept].equals(other[kept])
    tag = "continual/cotasp/layer_1"
    assert {f"{tag}/{what}" for what in ("used", "shared", "free", "active")} <= set(one)
    assert one[f"{tag}/used"].is_monotonic_increasing
    assert (one[f"{tag}/used"] + one[f"{tag}/free"] == 48).all()
    tried = [read_table(folder / "evaluations.csv") for folder in folders]
    same = ["step", "task", "return", "success", "success_final"]
    assert (
        tried[0]
        .loc[tried[0]["step"] == 80, same]
        .equals(tried[1].loc[tried[1]["step"] == 80, same])
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--prompts sparsity=0", "cotasp setting 'sparsity' must be more than 0, not 0.0"),
        ("--prompts sparcity=1", "unknown cotasp setting 'sparcity': did you mean 'sparsity'?"),
        ("--actor-sizes 0", "--actor-sizes must be 1 or more each, not (0,)"),
        ("--initial-temperature 0", "--initial-temperature must be more than 0, not 0.0"),
    ],
)
def test_wrong_settings_are_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
