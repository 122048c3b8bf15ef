"""Shows on the terminal how a run goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from tqdm import tqdm

from .logging import stream_scalars

LINES = 10
"""How many lines a whole run prints where there is no terminal."""


class Progress(BaseCallback):
    """A progress bar with return, steps per second and the stream's segment.

    Where the output is no terminal there is no bar, and a line every tenth of the run.

    Args:
        total_steps: environment steps the run takes, over all copies.
        output: where to show it; standard error by default.
    """

    def __init__(self, total_steps: int, output: TextIO | None = None) -> None:
        super().__init__()
        self._total_steps = total_steps
        self._output = sys.stderr if output is None else output
        self._bar: tqdm | None = None
        self._lines = 0
        self._started = 0.0
        self._first_step = 0

    def _on_training_start(self) -> None:
        self._started = time.perf_counter()
        self._first_step = self.num_timesteps
        self._lines = min(self.num_timesteps, self._total_steps) * LINES // self._total_steps
        if self._output.isatty():
            self._bar = tqdm(
                total=self._total_steps,
                initial=min(self._first_step, self._total_steps),
                unit=" steps",
                file=self._output,
                dynamic_ncols=True,
            )

    def _on_step(self) -> bool:
        if self._bar is not None:
            self._bar.update(min(self.num_timesteps, self._total_steps) - self._bar.n)
        return True

    def _on_rollout_end(self) -> None:
        lines = min(self.num_timesteps, self._total_steps) * LINES // self._total_steps
        if self._bar is None and lines == self._lines:
            return
        state = describe(self.model.ep_info_buffer or (), self.locals["infos"])
        if self._bar is not None:
            self._bar.set_postfix_str(state, refresh=False)
        else:
            self._lines = lines
            speed = (self.num_timesteps - self._first_step) / (time.perf_counter() - self._started)
            print(
                f"{lines * 100 // LINES:3d} %  {self.num_timesteps:>12,} steps  "
                f"{speed:,.0f} steps/s  {state}",
                file=self._output,
                flush=True,
            )

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


def describe(episodes: Sequence[dict[str, Any]], infos: Sequence[dict[str, Any]]) -> str:
    """Say in a few words how the agent does, and where the stream is.

    Args:
        episodes: the latest finished episodes, with their return under "r".
        infos: the newest `info` of each copy.

    Example:
        >>> world = {"segment": 2, "steps_since_change": 40, "context": {"friction": 0.512}}
        >>> describe([{"r": 10.0}, {"r": 14.0}], [world])
        'return 12.0, segment 2, friction 0.512'
    """
    parts = [f"return {np.mean([episode['r'] for episode in episodes]):.1f}"] if episodes else []
    stream = stream_scalars(infos)
    stream.pop("steps_since_change", None)
    return ", ".join(parts + [f"{name} {value:.3g}" for name, value in stream.items()])
