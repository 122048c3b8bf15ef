"""The proving ground of retention, on the smallest of its kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from everlearn.training.prove_retention import ProveRetention, prove_retention, summarize
from everlearn.wrappers.errors import SettingsError

SMALL: dict[str, Any] = {
    "tasks": ("HandlePressSide", "Push"),
    "demonstrations": 1,
    "updates": 150,
    "hidden_sizes": (32,),
    "episodes": 1,
}


def test_runs_repeat_themselves_and_a_record_is_gone_on_with(tmp_path: Path) -> None:
    file, picture = tmp_path / "record.jsonl", tmp_path / "picture.png"
    one = prove_retention(ProveRetention(**SMALL, output=file))
    other = prove_retention(ProveRetention(**SMALL))
    for key in ("learned", "kept", "drift"):
        assert one[0][key] == other[0][key]
    assert len(one[0]["learned"]) == len(one[0]["kept"]) == 2
    # The last task's own end is the end of all.
    assert one[0]["learned"][1] == one[0]["kept"][1]
    assert one[0]["drift"][0] > 0 == one[0]["drift"][1]
    both = prove_retention(
        ProveRetention(**SMALL, methods=("fine-tuning", "l2"), output=file, figure=picture)
    )
    assert both[0] == json.loads(json.dumps(one[0]))
    assert both[1]["methods"] == "l2"
    assert both[1]["drift"] != both[0]["drift"]
    assert len(file.read_text().splitlines()) == 3
    assert picture.stat().st_size > 1000
    with pytest.raises(SettingsError, match="holds runs of another kind"):
        prove_retention(ProveRetention(**{**SMALL, "updates": 7}, output=file))


def test_forgetting_counts_the_last_task_too() -> None:
    """Two tasks: the first falls from 1 to 0.2, the second is at 1."""
    rows = [
        {"methods": "a", "learned": [1.0, 1.0], "kept": [0.2, 1.0], "drift": [1, 0], "seconds": 1},
        {"methods": "a", "learned": [1.0, 0.0], "kept": [1.0, 0.0], "drift": [3, 0], "seconds": 3},
    ]
    (told,) = summarize(rows)
    assert told["performances"] == [0.6, 0.5]
    assert told["forgettings"] == pytest.approx([0.4, 0.0])
    assert told["kept"] == [0.6, 0.5]
    assert (told["drift"], told["seconds"], told["seeds"]) == (3, 2, 2)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"tasks": ("Pushh",)}, "unknown task with a demonstrator 'Pushh': did you mean 'Push'"),
        ({"updates": 0}, "--updates must be 1 or more, not 0"),
        ({"noise": -1.0}, "--noise must be 0 or more"),
        ({"methods": ("fine-tune",)}, "unknown method 'fine-tune'"),
        ({"figure": Path("a.txt")}, "--figure must be a .png, .svg or .pdf file"),
    ],
)
def test_wrong_settings_are_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        prove_retention(ProveRetention(**wrong))


@pytest.mark.slow
def test_fine_tuning_forgets_what_prompts_keep() -> None:
    """In five seeds fine-tuning forgot 0.60 or more, and CoTASP nothing."""
    prompts = "cotasp:sparsity=0.01,prompt_updates=0"
    rows = prove_retention(ProveRetention(methods=("fine-tuning", prompts)))
    plain, masked = summarize(rows)
    assert plain["forgetting"] >= 0.3
    assert masked["forgetting"] <= 0.1
    assert masked["performance"] >= 0.7
    assert masked["drift"] == 0
