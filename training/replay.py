"""Which replay buffer the settings of an off-policy agent ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from ..wrappers.errors import SettingsError
from .settings import require, require_folder

if TYPE_CHECKING:
    from .sac import TrainSAC

Kept = Literal["newest", "reservoir", "per-task"]


def check_replay(settings: TrainSAC) -> None:
    """Raise `SettingsError` for settings of replay that cannot be, alone or together.

    Args:
        settings: of the agent.
    """
    require(settings, "n_steps", settings.n_steps >= 1, "1 or more")
    if settings.present_share is not None:
        per_task = settings.replay == "per-task"
        require(settings, "present_share", per_task, "left out without --replay per-task")
        require(settings, "present_share", 0 <= settings.present_share <= 1, "from 0 to 1")
    require(settings, "earlier_share", 0 <= settings.earlier_share <= 1, "from 0 to 1")
    if settings.replay != "newest" and (settings.earlier_runs or settings.n_steps > 1):
        raise SettingsError(
            f"--replay {settings.replay} keeps single transitions: it goes neither with "
            "--earlier-runs nor with --n-steps over 1"
        )
    if settings.earlier_runs and settings.normalization:
        raise SettingsError(
            "--earlier-runs holds observations and rewards as they were: it does not go with "
            "--normalize-observations or --normalize-rewards"
        )
    require_folder(settings, "memmap_folder")
    for folder in settings.earlier_runs:
        _require_plain(Path(folder))


def replay_settings(settings: TrainSAC) -> dict[str, Any]:
    """Return what stable-baselines3 is to be told of the replay buffer.

    Args:
        settings: of the agent.
    """
    found = _kind_settings(settings)
    if settings.memmap_folder is not None:
        kept = found.setdefault("replay_buffer_kwargs", {})
        kept["memmap_folder"] = settings.memmap_folder
    return found


def _kind_settings(settings: TrainSAC) -> dict[str, Any]:
    from ..agents.replay.mixed import MixedReplayBuffer
    from ..agents.replay.per_task import TaskReplayBuffer
    from ..agents.replay.reservoir import ReservoirReplayBuffer

    if settings.earlier_runs:
        own = {
            "sources": {"earlier": settings.earlier_runs},
            "shares": {"earlier": settings.earlier_share},
            "n_steps": settings.n_steps,
            "gamma": settings.gamma,
        }
        return {"replay_buffer_class": MixedReplayBuffer, "replay_buffer_kwargs": own}
    if settings.replay == "newest":
        return {"n_steps": settings.n_steps}
    if settings.replay == "reservoir":
        kept: dict[str, Any] = {"seed": settings.seed}
        return {"replay_buffer_class": ReservoirReplayBuffer, "replay_buffer_kwargs": kept}
    kept = {"seed": settings.seed, "present_share": settings.present_share}
    return {"replay_buffer_class": TaskReplayBuffer, "replay_buffer_kwargs": kept}


def _require_plain(folder: Path) -> None:
    """Raise where an earlier run had scaled what it kept."""
    # Only here: it knows pandas, and `--help` is to be fast.
    from .run import CONFIG

    try:
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    if isinstance(config, dict) and config.get("normalization"):
        raise SettingsError(
            f"the run {folder} has normalized observations or rewards: they mean nothing to "
            "another agent"
        )
