from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from everlearn.agents.registry import parse_method
from everlearn.training.presets import PRESETS, describe_presets, preset_settings, take_preset
from everlearn.training.sac import TrainSAC
from everlearn.wrappers.errors import SettingsError


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_settings_that_can_be_used(name: str) -> None:
    settings = preset_settings(name)
    settings.check()
    plain = asdict(TrainSAC())
    changed = {key for key, value in asdict(settings).items() if plain[key] != value}
    assert changed == set(PRESETS[name].settings)
    for text in settings.methods:
        parse_method(text)
    assert f"  {name}" in describe_presets()


def test_the_papers_numbers() -> None:
    sr_sac, bro, ace, wsrl = (preset_settings(name) for name in ("sr-sac", "bro", "ace", "wsrl"))
    assert sr_sac.replay_ratio == 32
    resets = parse_method(sr_sac.methods[0]).settings()
    assert (resets["every_updates"], resets["every_steps"]) == (2_560_000, None)
    assert (bro.replay_ratio, bro.batch_size, bro.learning_starts) == (10, 128, 2500)
    assert (bro.hidden_sizes, bro.actor_sizes) == ((512, 512, 512), (256, 256))
    assert (bro.weight_decay, bro.decoupled_weight_decay) == (1e-4, True)
    resets = parse_method(bro.methods[0]).settings()
    assert resets["every_steps"] is None
    assert resets["at_steps"][:5] == (15_000, 50_000, 250_000, 500_000, 750_000)
    assert (ace.batch_size, ace.actor_delay, ace.target_update_interval) == (512, 2, 2)
    assert parse_method(ace.methods[0]).settings()["influence"] == "signed"
    assert (wsrl.n_critics, wsrl.target_critics, wsrl.entropy_backup) == (10, 2, False)
    assert parse_method(wsrl.methods[0]).settings()["steps"] == 5000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--preset"], "--preset needs a name: sr-sac, bro, ace, wsrl"),
        (["--preset", "--seed", "1"], "--preset needs a name"),
        (["--preset", "bro", "--preset=ace"], "only one --preset can be given, not bro and ace"),
    ],
)
def test_wrong_presets_are_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        take_preset(words)


@pytest.mark.parametrize("name", PRESETS)
def test_the_page_tells_departures(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    assert row.endswith(f"| {PRESETS[name].departures} |")
    for setting in PRESETS[name].settings.keys() - {"methods", "hidden_sizes", "n_critics"}:
        assert f"`{setting}`" in row
