"""An agent that begins with what another one has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file
from torch import Tensor

from ...wrappers.errors import SettingsError

MODEL = "model.zip"
"""The agent in a run folder."""


def begin_from(agent: OffPolicyAlgorithm, path: str | Path) -> None:
    """Let an agent begin with another's networks, optimizers' memory and temperature.

    Its replay buffer, counters and random numbers stay its own. Of an agent of another kind, such
    as IQL's, the networks alone are taken, as far as they are of this kind; the deviations of its
    actions mean another law here. Nothing that the file holds is run: only numbers are read.

    Args:
        agent: freshly built.
        path: an agent's zip, everlearn's or stable-baselines3's own, or the folder of a finished
            run.

    Raises:
        SettingsError: there is no such agent, or its networks are others.
    """
    file = Path(path)
    if file.is_dir():
        file = file / MODEL
        if not file.exists():
            raise SettingsError(f"there is no {MODEL} in {path}: has the run finished?")
    if not file.exists():
        raise SettingsError(f"there is no agent {file}")
    try:
        found: Any = load_from_zip_file(file, device="cpu", load_data=False)
        _, parameters, variables = found
        own = agent.get_parameters()
        exact = parameters.keys() == own.keys()
        _require_fit(parameters["policy"], own["policy"], file)
        if not exact:
            known = parameters["policy"]
            parameters = {"policy": {name: known[name] for name in own["policy"]}}
        agent.set_parameters(parameters, exact_match=exact)
        _take_temperature(agent, variables or {})
    except SettingsError:
        raise
    # Whatever a stranger's file brings about is the file's fault.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(f"cannot begin from the agent {file}: {reason}") from error


def _require_fit(known: dict[str, Tensor], own: dict[str, Tensor], file: Path) -> None:
    """Raise where networks are missing or of another shape, and say which is the first."""
    for name, values in own.items():
        if name not in known:
            found = "none"
        elif known[name].shape != values.shape:
            found = " x ".join(map(str, known[name].shape))
        else:
            continue
        wanted = " x ".join(map(str, values.shape)) or "a number"
        raise SettingsError(
            f"cannot begin from the agent {file}, whose networks are others: {name} is {found}, "
            f"and not {wanted}; give this run the hidden sizes, critics and layer norm of that one "
            "(observations, actions and the kind of agent must be the same, too)"
        )


def _take_temperature(agent: Any, variables: dict[str, Any]) -> None:
    own, given = getattr(agent, "log_ent_coef", None), variables.get("log_ent_coef")
    if own is not None and given is not None:
        with torch.no_grad():
            own.copy_(given)
