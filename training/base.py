"""Who learns to act, where that is one setting among others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from ..wrappers.errors import SettingsError, unknown
from ..wrappers.settings import convert_settings, split_settings
from .ppo import TrainPPO
from .recurrent_ppo import TrainRecurrentPPO
from .sac import TrainSAC
from .settings import RunSettings

Base = TrainPPO | TrainRecurrentPPO | TrainSAC

BASES: dict[str, type[Base]] = {
    "ppo": TrainPPO,
    "recurrent-ppo": TrainRecurrentPPO,
    "sac": TrainSAC,
}
"""The agents that learn to act."""


def read_base(
    settings: RunSettings,
    text: str,
    defaults: Mapping[str, Mapping[str, Any]],
    allowed: Collection[str] = tuple(BASES),
) -> Base:
    """Return the settings of the agent that learns to act.

    Args:
        settings: of the script; what all scripts share is taken from them.
        text: the agent's name, with or without settings of its script.
        defaults: in place of those of its script, by the agent's name.
        allowed: names.

    Raises:
        SettingsError: for another name, or a setting that there is not, or not here.
    """
    name, raw = split_settings(text)
    if name not in allowed:
        raise unknown("base", name, allowed)
    shared = {field.name: getattr(settings, field.name) for field in fields(RunSettings)}
    for setting in raw:
        if setting in shared:
            raise SettingsError(f"{setting!r} is no setting of --base but of the script")
    given = convert_settings(f"base {name}", BASES[name], raw)
    return BASES[name](**{**shared, **defaults.get(name, {}), **given})
