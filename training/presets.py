"""Settings of SAC that papers publish, as data: where a run may begin from.

Nothing heavy is imported here, so that a script can answer `--help` at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..wrappers.errors import SettingsError, unknown
from .sac import TrainSAC


@dataclass(frozen=True)
class Preset:
    """One paper's settings, as far as they differ from the defaults."""

    summary: str
    """What it is, in a line."""

    source: str
    """Where the numbers are from."""

    departures: str
    """What of the paper it leaves out, or does otherwise."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of `TrainSAC`."""


_CONTINUAL_WORLD = (
    "version 3 of the tasks, whose rewards have another scale; ReLU, where theirs are leaky, and a "
    "layer norm before each activation, where theirs is before the first alone; an update after "
    "each step, where theirs make 50 after 50; tries are deterministic, where theirs are random too"
)
_OF_TASKS: dict[str, Any] = {
    "batch_size": 128,
    "learning_rate": 1e-3,
    "hidden_sizes": (256, 256, 256, 256),
    "layer_norm": "both",
    "evaluate_every": 20,
    "evaluation_episodes": 10,
    "methods": ("multi-head",),
}

PRESETS = {
    "sr-sac": Preset(
        summary="replay ratio 32, with all reset every 2,560,000 updates",
        source="D'Oro et al., ICLR 2023; proceduralia/high_replay_ratio_continuous_control",
        departures="none that is known to us",
        settings={
            "replay_ratio": 32.0,
            "target_entropy_scale": -0.5,
            "methods": ("resets:every_updates=2560000,every_steps=none",),
        },
    ),
    "bro": Preset(
        summary="replay ratio 10 with wide residual networks, and all reset now and then",
        source="Nauman et al., NeurIPS 2024; naumix/BiggerRegularizedOptimistic",
        departures=(
            "no quantiles, optimistic second actor or limits by tanh of the actor's standard "
            "deviation; the actor's outputs begin by torch's law; Adam's decay of the mean is 0.9 "
            "for the temperature too, where theirs is 0.5"
        ),
        settings={
            "replay_ratio": 10.0,
            "batch_size": 128,
            "learning_starts": 2_500,
            "hidden_sizes": (512, 512, 512),
            "actor_sizes": (256, 256),
            "layer_norm": "both",
            "residual_blocks": True,
            "weight_decay": 1e-4,
            "decoupled_weight_decay": True,
            "target_value": "mean",
            "actor_value": "mean",
            "target_entropy_scale": -0.5,
            "methods": (
                "resets:every_steps=none,at_steps=[15000,50000,250000,500000,750000,1000000,"
                "1500000,2000000]",
            ),
        },
    ),
    "ace": Preset(
        summary="entropy weighed by causal effects, and perturbations by dormant gradients",
        source="Ji et al., ICML 2024; jity16/ACE-Off-Policy-Actor-Critic-...",
        departures=(
            "all hidden units are ReLU, where their first layer is ELU; weights begin by torch's "
            "law, where theirs begin by Xavier's"
        ),
        settings={
            "batch_size": 512,
            "hidden_sizes": (1024, 1024, 1024),
            "actor_delay": 2,
            "target_update_interval": 2,
            "methods": (
                "causality-aware-entropy",
                "dormant-gradient-perturbation:law=orthogonal",
            ),
        },
    ),
    "wsrl": Preset(
        summary="a frozen policy fills the empty buffer, then 4 updates a step; see --start-from",
        source="Zhou et al., ICLR 2025; zhouzypaul/wsrl, locomotion",
        departures=(
            "one learning rate of 3e-4, where their actor and temperature have 1e-4; the actor "
            "learns from one of four batches of 256, where theirs learns from all of them"
        ),
        settings={
            "replay_ratio": 4.0,
            "learning_starts": 0,
            "n_critics": 10,
            "target_critics": 2,
            "layer_norm": "both",
            "actor_delay": 4,
            "entropy_backup": False,
            "methods": ("warm-start",),
        },
    ),
    "cw10": Preset(
        summary="ten manipulation tasks, one after the other, with a head for each; name a method",
        source="Wolczyk et al., NeurIPS 2021; awarelab/continual_world",
        departures=_CONTINUAL_WORLD,
        settings={"stream": "everlearn/CW10-v0", "total_steps": 10_000_000, **_OF_TASKS},
    ),
    "cw20": Preset(
        summary="the ten tasks of cw10, twice",
        source="Wolczyk et al., NeurIPS 2021; awarelab/continual_world",
        departures=_CONTINUAL_WORLD,
        settings={"stream": "everlearn/CW20-v0", "total_steps": 20_000_000, **_OF_TASKS},
    ),
}
"""The presets by name; a new one is one more entry."""


def preset_settings(name: str) -> TrainSAC:
    """Return the settings of a preset, the rest as by default.

    Args:
        name: one of `PRESETS`.

    Raises:
        SettingsError: there is no such preset.

    Example:
        >>> preset_settings("sr-sac").replay_ratio
        32.0
        >>> preset_settings("srsac")
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: unknown preset 'srsac': did you mean 'sr-sac'?
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return TrainSAC(**PRESETS[name].settings)


def take_preset(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take `--preset NAME` out of a command line.

    Args:
        arguments: the command line without the script's name.

    Returns:
        The name, or None where none is given, and the other arguments.

    Raises:
        SettingsError: there is no name after it, or it is given twice.

    Example:
        >>> take_preset(["--seed", "1", "--preset", "bro"])
        ('bro', ['--seed', '1'])
    """
    names: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag != "--preset":
            rest.append(word)
            continue
        name = value if equals else next(words, "")
        if not name or name.startswith("-"):
            raise SettingsError(f"--preset needs a name: {', '.join(PRESETS)}")
        names.append(name)
    if len(names) > 1:
        raise SettingsError(f"only one --preset can be given, not {' and '.join(names)}")
    return (names[0] if names else None), rest


def describe_presets() -> str:
    """Return what `--help` says of presets."""
    width = max(map(len, PRESETS))
    lines = [
        f"  {name:<{width}}  {one.summary} ({one.source.split(';')[0]})"
        for name, one in PRESETS.items()
    ]
    return "\n".join(
        [
            "--preset NAME begins from a paper's settings in place of the defaults; what else is",
            "given on the command line overrides them. docs/replay.md tells departures.",
            *lines,
        ]
    )
