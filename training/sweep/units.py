"""What a sweep is made of: units, each one run of one seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..cotasp import TrainCoTASP
from ..ppo import TrainPPO
from ..recurrent_ppo import TrainRecurrentPPO
from ..rl_squared import TrainRLSquared
from ..sac import TrainSAC
from ..secbad import TrainSeCBAD
from ..settings import RunSettings

AGENTS: dict[str, type[RunSettings]] = {
    one.agent: one
    for one in (TrainPPO, TrainRecurrentPPO, TrainSAC, TrainSeCBAD, TrainRLSquared, TrainCoTASP)
}
"""The settings of each agent, by its name."""


@dataclass(frozen=True)
class Unit:
    """One run of a sweep, known by its folder: the same settings are the same unit."""

    name: str
    """Short and unlike any other's: the hash of its configuration, and its seed."""

    folder: str
    """Its run folder, as seen from the folder of all runs."""

    stream: str
    """The stream's name."""

    label: str
    """The agent's name with those of its methods."""

    agent: str
    """The agent's name alone."""

    settings: dict[str, Any]
    """The agent's settings, as JSON can hold them; without the folder of all runs."""

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.settings["seed"])

    @property
    def total_steps(self) -> int:
        """Environment steps of the run, over all copies."""
        return int(self.settings["total_steps"])

    @property
    def threads(self) -> int:
        """Threads torch may use."""
        return int(self.settings["threads"])

    @property
    def arm(self) -> tuple[str, str, str]:
        """What it shares with the units that differ in their seed alone."""
        return self.stream, self.label, self.name.rsplit("-", 1)[0]

    def run_settings(self, runs_folder: Path) -> RunSettings:
        """Return what `train` takes.

        Args:
            runs_folder: the folder of all runs, as this machine sees it.
        """
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in self.settings.items()
        }
        return AGENTS[self.agent](**given, runs_folder=str(runs_folder))


def make_unit(settings: RunSettings) -> Unit:
    """Return the unit of one run.

    Args:
        settings: of one agent.

    Raises:
        SettingsError: as `plan_run` does.
    """
    # Imported late: torch takes seconds, and what only looks at a sweep does not need it.
    from ..train import plan_run

    plan = plan_run(settings)
    given = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
    del given["runs_folder"]
    return Unit(
        name=f"{plan.hash}-{settings.seed}",
        folder=plan.folder.relative_to(settings.runs_folder).as_posix(),
        stream=plan.stream.name,
        label=plan.agent,
        agent=settings.agent,
        settings=given,
    )
