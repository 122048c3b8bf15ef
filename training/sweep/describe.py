"""How a sweep is described: on the command line, in a YAML file, or both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import tyro
import yaml

from ...wrappers.errors import SettingsError
from ..presets import preset_settings
from ..sac import TrainSAC
from ..settings import RunSettings
from .folder import SweepFolder
from .seeds import parse_seeds
from .units import AGENTS, Unit, make_unit

NO_METHODS = "none"
"""What stands for an agent without methods."""

_OWN_WORDS = {"stream": "--streams", "seed": "--seeds"}
"""What a training script says once, a sweep says with these."""


@dataclass(frozen=True)
class Description:
    """Which units a sweep has: streams x agents x methods x seeds.

    Any other setting of the training scripts, such as --total-steps 200000, may follow, and holds
    for all agents.
    """

    file: Path | None = None
    """A YAML file that says all this; what the command line says comes before it."""

    name: str | None = None
    """The sweep's name; by default the file's, or "sweep"."""

    streams: tuple[str, ...] | None = None
    """Changing worlds, each a name, or name:setting=value,...; by default those that the agents'
    training scripts have."""

    agents: tuple[str, ...] | None = None
    """Names of agents: ppo (by default), recurrent-ppo, sac, secbad, rl-squared, cotasp;
    sac:PRESET for SAC with a preset."""

    methods: tuple[str, ...] | None = None
    """Sets of methods, each in quotes: none (by default), redo, "l2-init redo" ... A preset's own
    come before them."""

    seeds: str | None = None
    """Numbers and ranges: 0-9 by default."""

    tuning: bool | None = None
    """Whether these seeds are for tuning: then they are others than those of any report."""

    runs_folder: Path | None = None
    """The folder in which each run gets a folder of its own: runs by default."""


@dataclass(frozen=True)
class Sweep:
    """A sweep, all of whose settings have been read."""

    folder: SweepFolder
    """Where it is written down."""

    units: tuple[Unit, ...]
    """Its runs, each once, the first seeds of all arms first."""


def read_sweep(description: Description, words: Sequence[str] = ()) -> Sweep:
    """Return the sweep that is described, before anything is written.

    Args:
        description: from the command line.
        words: the rest of the command line: settings of agents.

    Raises:
        SettingsError: for what no sweep or no run can be.
    """
    told = _read_file(description.file)
    given = vars(description)
    told |= {key: given[key] for key in given if key != "file" and given[key] is not None}
    stem = "sweep" if description.file is None else description.file.stem
    name = str(told.get("name", stem))
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name):
        raise SettingsError(f"a sweep's name is letters, digits and any of _.+-, not {name!r}")
    runs_folder = Path(told.get("runs_folder", "runs"))
    tuning = told.get("tuning", False)
    if not isinstance(tuning, bool):
        raise SettingsError(f"tuning of a sweep is true or false, not {tuning!r}")
    seeds = parse_seeds(str(told.get("seeds", "0-9")), tuning)
    arms = [
        replace(
            agent,
            stream=stream or agent.stream,
            methods=(*agent.methods, *methods),
            runs_folder=str(runs_folder),
        )
        for stream, agent, methods in product(
            _texts(told, "streams", [""]),
            _agents(told, words),
            [_method_set(text) for text in _texts(told, "methods", [NO_METHODS])],
        )
    ]
    # The first seed of every arm comes first, so that a sweep that is cut short compares.
    units = [make_unit(replace(arm, seed=seed)) for seed in seeds for arm in arms]
    return Sweep(SweepFolder.of(runs_folder, name), tuple({u.folder: u for u in units}.values()))


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        sentence = " ".join(str(error).split())
        raise SettingsError(f"the sweep {file} cannot be read: {sentence}") from error
    allowed = {*Description.__dataclass_fields__, "settings"} - {"file"}
    if not isinstance(told, dict) or (unknown := [key for key in told if key not in allowed]):
        wrong = f"has an entry {unknown[0]!r}" if isinstance(told, dict) else "has no entries"
        raise SettingsError(f"the sweep {file} {wrong}: it may have {', '.join(sorted(allowed))}")
    return told


def _texts(told: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
    value = told.get(key, default)
    texts = [value] if isinstance(value, str) else _listed(value)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise SettingsError(f"{key} of a sweep are a list of names, not {value!r}")
    return texts


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _method_set(text: str) -> tuple[str, ...]:
    return () if text.strip() in ("", NO_METHODS) else tuple(text.split())


def _agents(told: Mapping[str, Any], words: Sequence[str]) -> list[RunSettings]:
    """Return each agent's settings: those of all, then its own, then the command line's."""
    value = told.get("agents", ["ppo"])
    entries = [value] if isinstance(value, (str, Mapping)) else _listed(value)
    settings = told.get("settings") or {}
    if not isinstance(settings, Mapping):
        raise SettingsError(f"settings of a sweep are names with values, not {settings!r}")
    shared = _words(settings)
    agents = []
    for entry in entries:
        own = {"agent": entry} if isinstance(entry, str) else entry
        if not isinstance(own, Mapping) or not isinstance(own.get("agent"), str):
            raise SettingsError(
                f"an agent of a sweep is a name, or {{agent: name, ...}}, not {entry!r}"
            )
        begun = _begin(own["agent"])
        own = {key: own[key] for key in own if key != "agent"}
        agents.append(_read_words(begun, [shared, _words(own), list(words)]))
    if not agents:
        raise SettingsError(f"a sweep needs an agent: {', '.join(AGENTS)}")
    return agents


def _begin(text: str) -> RunSettings:
    """Return the settings that an agent begins from: its script's defaults, or a preset's."""
    name, colon, preset = text.partition(":")
    if name not in AGENTS:
        raise SettingsError(f"unknown agent {name!r}: there are {', '.join(AGENTS)}")
    if not colon:
        return AGENTS[name]()
    if name != TrainSAC.agent:
        raise SettingsError(f"{name} has no presets, so that {text!r} is no agent of a sweep")
    return preset_settings(preset)


def _words(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as they would be written on the command line."""
    words: list[str] = []
    for key, value in settings.items():
        flag = str(key).replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            values = value if isinstance(value, list) else [value]
            words += [f"--{flag}", *map(str, values)]
    return words


def _read_words(settings: RunSettings, parts: Sequence[list[str]]) -> RunSettings:
    for words in parts:
        for word in words:
            flag = word.split("=")[0].removeprefix("--").removeprefix("no-").replace("_", "-")
            if word.startswith("--") and flag in (*_OWN_WORDS, "methods", "runs-folder"):
                raise SettingsError(
                    f"--{flag} is not for one agent in a sweep: use "
                    f"{_OWN_WORDS.get(flag, f'{flag} of the sweep')}"
                )
        if words:
            settings = tyro.cli(
                type(settings), default=settings, args=words, prog=f"train_{settings.agent}.py"
            )
    return settings
