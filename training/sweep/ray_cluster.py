"""Runs units on a Ray cluster, whose machines share the folder of all runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ...wrappers.errors import SettingsError
from ..stopping import signals_raise
from .folder import LIST, SweepFolder
from .launch import start_unit
from .units import Unit

RETRIES = 20
"""How often a unit is started again whose machine is lost."""


def run_on_ray(
    sweep: SweepFolder,
    units: Sequence[Unit],
    address: str,
    cpus: float,
    gpus: float,
    look: Callable[[], None],
    every: float = 1.0,
) -> None:
    """Run units until none is left, whatever becomes of each.

    Args:
        sweep: the sweep they are of, in a folder that all machines see at the same path.
        units: those to run, the first first.
        address: of the cluster; "auto" for the one this machine belongs to.
        cpus: cores of each unit.
        gpus: GPUs of each unit; less than 1 for a share.
        look: called every now and then.
        every: seconds from one look to the next.

    Raises:
        SettingsError: Ray is not installed, or there is no cluster at the address.
        Stopped: by SIGINT or SIGTERM. Units are asked to stop then, and whatever `look` raises.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingsError("--engine ray needs Ray: pip install everlearn[ray]") from error
    ours = not ray.is_initialized()
    try:
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, ValueError) as error:
        sentence = " ".join(str(error).split())
        raise SettingsError(f"no Ray cluster at {address!r}: {sentence}") from error
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(run_here)
    path = str(sweep.path.absolute())
    waiting = {task.options(name=unit.folder).remote(path, unit.name): unit for unit in units}
    try:
        with signals_raise():
            while waiting:
                done, _ = ray.wait(list(waiting), timeout=every)
                for one in done:
                    unit = waiting.pop(one)
                    try:
                        ray.get(one)
                    except ray.exceptions.RayError as error:
                        sentence = str(error).strip().split("\n")[0]
                        print(f"{unit.folder}: {sentence}", file=sys.stderr)
                look()
    except BaseException:
        for one in waiting:
            with suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(one)
        raise
    finally:
        if ours:
            ray.shutdown()


def run_here(path: str, name: str) -> int:
    """Run a unit on the machine that this is called on, and return what it ended with.

    Args:
        path: the sweep's folder.
        name: the unit's.

    Raises:
        FileNotFoundError: this machine does not see the folder.
    """
    if not Path(path, LIST).is_file():
        raise FileNotFoundError(
            f"this machine does not see {path}: runs must lie in a shared folder"
        )
    sweep = SweepFolder(Path(path))
    process = start_unit(sweep, sweep.unit(name))
    try:
        return process.wait()
    finally:
        # Also when Ray cancels the task: the unit then writes its checkpoint and stops.
        if process.stdin is not None:
            process.stdin.close()
        process.wait()
