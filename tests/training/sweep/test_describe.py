from __future__ import annotations

from pathlib import Path

import pytest

from everlearn.training.ppo import TrainPPO
from everlearn.training.presets import PRESETS
from everlearn.training.sac import TrainSAC
from everlearn.training.sweep.describe import Description, read_sweep
from everlearn.training.train import plan_run
from everlearn.wrappers.errors import SettingsError

FILE = """
streams: [everlearn/SlipperyAnt-v0, "everlearn/SlipperyAnt-v0:change_every=500"]
agents:
  - ppo
  - {agent: ppo, learning_rate: 1e-3}
  - {agent: sac, hidden_sizes: [32, 32], entropy_backup: false}
methods: [none, l2-init redo]
seeds: 0-2
settings: {total_steps: 5000, target_critics: null}
"""


def test_the_same_words_as_a_training_script(tmp_path: Path) -> None:
    words = "--total-steps 3000 --n-envs 4 --hidden-sizes 16 16 --no-diagnostics"
    described = Description(
        methods=("none", "continual-backprop:maturity=7 redo"),
        seeds="3",
        runs_folder=tmp_path,
    )
    bare, both = read_sweep(described, words.split()).units
    settings = TrainPPO(
        methods=("continual-backprop:maturity=7", "redo"),
        seed=3,
        total_steps=3000,
        n_envs=4,
        hidden_sizes=(16, 16),
        diagnostics=False,
        runs_folder=str(tmp_path),
    )
    assert both.run_settings(tmp_path) == settings
    assert tmp_path / both.folder == plan_run(settings).folder
    assert bare.run_settings(tmp_path).methods == ()
    assert list(tmp_path.iterdir()) == []


def test_a_file_and_what_comes_before_it(tmp_path: Path) -> None:
    file = tmp_path / "layers.yaml"
    file.write_text(FILE.replace(", target_critics: null", ""))
    sweep = read_sweep(Description(file=file, runs_folder=tmp_path))
    assert sweep.folder.name == "layers"
    assert len(sweep.units) == len({unit.folder for unit in sweep.units}) == 2 * 3 * 2 * 3
    assert [unit.seed for unit in sweep.units] == sorted(unit.seed for unit in sweep.units)
    sac = [u.run_settings(tmp_path) for u in sweep.units if u.agent == "sac"]
    assert all(isinstance(one, TrainSAC) and not one.entropy_backup for one in sac)
    assert {one.total_steps for one in sac} == {5000}

    one = Description(file=file, streams=("everlearn/SlipperyAnt-v0",), methods=("none",),
                      seeds="8", name="other", runs_folder=tmp_path)  # fmt: skip
    sweep = read_sweep(one, ["--total-steps", "7000"])
    assert sweep.folder.name == "other"
    assert [(u.seed, u.total_steps, u.label) for u in sweep.units] == [
        (8, 7000, "ppo"), (8, 7000, "ppo"), (8, 7000, "sac")
    ]  # fmt: skip


def test_a_preset_comes_with_its_methods_and_its_stream(tmp_path: Path) -> None:
    described = Description(
        agents=("sac:sr-sac", "sac:cw10"), methods=("none", "l2"), seeds="0", runs_folder=tmp_path
    )
    units = read_sweep(described, ["--replay-ratio", "8"]).units
    resets, heads = PRESETS["sr-sac"].settings["methods"], ("multi-head",)
    assert [unit.run_settings(tmp_path).methods for unit in units] == [
        resets, (*resets, "l2"), heads, (*heads, "l2")
    ]  # fmt: skip
    # Without --streams each agent has its own; what the command line says comes before a preset.
    assert [unit.stream for unit in units] == [
        *2 * ("everlearn/SlipperyAnt-v0",),
        *2 * ("everlearn/CW10-v0",),
    ]
    first = units[0].run_settings(tmp_path)
    assert isinstance(first, TrainSAC)
    assert (first.replay_ratio, first.target_entropy_scale) == (8, -0.5)


def test_agents_have_the_streams_of_their_scripts(tmp_path: Path) -> None:
    described = Description(agents=("ppo", "secbad"), seeds="0", runs_folder=tmp_path)
    units = read_sweep(described).units
    assert [unit.stream for unit in units] == [
        "everlearn/SlipperyAnt-v0", "everlearn/CartPoleForceSign-v0"
    ]  # fmt: skip


def test_what_is_named_twice_runs_once(tmp_path: Path) -> None:
    described = Description(
        streams=("everlearn/SlipperyAnt-v0", "everlearn/SlipperyAnt-v0"),
        seeds="0-1,1",
        runs_folder=tmp_path,
    )
    assert len(read_sweep(described).units) == 2


def test_tuning_takes_other_seeds(tmp_path: Path) -> None:
    sweeps = [
        read_sweep(Description(seeds="0-1", tuning=tuning, runs_folder=tmp_path)).units
        for tuning in (False, True)
    ]
    folders = [{unit.folder for unit in units} for units in sweeps]
    assert not folders[0] & folders[1]
    assert [unit.arm for unit in sweeps[0]] == [unit.arm for unit in sweeps[1]]


@pytest.mark.parametrize(
    ("changed", "words", "sentence"),
    [
        ({"agents": ("pppo",)}, "", "unknown agent 'pppo': there are ppo, recurrent-ppo, sac"),
        ({"agents": ("sac:srsac",)}, "", "unknown preset 'srsac': did you mean 'sr-sac'"),
        ({"agents": ("ppo:bro",)}, "", "ppo has no presets"),
        ({"streams": ("everlearn/SlipperyAntt-v0",)}, "", "did you mean"),
        ({"methods": ("l3",)}, "", "l3"),
        ({"name": "../etc"}, "", "name"),
        ({}, "--stream everlearn/SlipperyAnt-v0", "--streams"),
        ({}, "--seed=4", "--seeds"),
        ({}, "--total-steps 0", "1 or more"),
    ],
)
def test_what_cannot_be_a_sweep(
    changed: dict[str, object], words: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_sweep(Description(runs_folder=tmp_path, **changed), words.split())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed: 3", "has an entry 'seed'"),
        ("- ppo", "has no entries"),
        ("streams: [", "cannot be read"),
        ("streams: {a: 1}\nseeds: 0", "streams of a sweep are a list of names|unknown stream"),
        ("methods: [3]", "list of names"),
        ("streams: 3", "streams of a sweep are a list of names, not 3"),
        ("agents: 5", "a sweep needs an agent"),
        ("agents: [[ppo]]", "an agent of a sweep is a name"),
        ("agents: [{learning_rate: 1e-3}]", "an agent of a sweep is a name"),
        ("settings: [total_steps]", "settings of a sweep are names with values"),
        ('tuning: "no"', "tuning of a sweep is true or false, not 'no'"),
        ("settings: {methods: l2}", "--methods"),
    ],
)
def test_files_that_cannot_be_read(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        read_sweep(Description(file=file, runs_folder=tmp_path))
