"""From learning offline to learning online: SAC begins where another agent ended."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import stable_baselines3
import torch
from stable_baselines3.common.save_util import load_from_zip_file

from ...wrappers.errors import SettingsError

_MODEL = "model.zip"


def start_from(agent: stable_baselines3.SAC, source: str | Path) -> None:
    """Give an agent of SAC the networks of another agent; all else begins fresh.

    Actor, critics and target networks are taken, and the temperature where the other had one:
    from an agent of CQL, Cal-QL or SAC they are what they were; from one of IQL, whose actor's
    deviations are those of a normal law without tanh, means alone are. Optimizers and replay buffer
    begin empty.

    Args:
        agent: with networks of the same sizes.
        source: a run folder, or an agent's zip. Nothing in it is run.

    Raises:
        SettingsError: there is no such agent, or its networks do not fit.
    """
    path = Path(source)
    file = path / _MODEL if path.is_dir() else path
    if not file.is_file():
        raise SettingsError(f"there is no agent in {source}: name a finished run's folder or a zip")
    try:
        _, parameters, tensors = load_from_zip_file(file, load_data=False, device=agent.device)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SettingsError(f"the agent of {source} cannot be read: {error}") from error
    policy: dict[str, Any] = parameters.get("policy", {})
    own = agent.policy.state_dict()
    for name, tensor in own.items():
        found = policy.get(name)
        if found is None or found.shape != tensor.shape:
            shape = "is missing" if found is None else f"has shape {tuple(found.shape)}"
            raise SettingsError(
                f"cannot start from {source}: its {name} {shape}, and here it has shape "
                f"{tuple(tensor.shape)}"
            )
    agent.policy.load_state_dict({name: policy[name] for name in own})
    temperature = (tensors or {}).get("log_ent_coef")
    if agent.log_ent_coef is not None and temperature is not None:
        with torch.no_grad():
            agent.log_ent_coef.copy_(temperature)
