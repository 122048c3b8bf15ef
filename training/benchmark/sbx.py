"""SBX's agents, measured in a process of their own; and how turns of any agent are timed.

Run as a program, by a Python that has `sbx-rl` and need not have everlearn, it makes agents and
lets them learn as the lines on its standard input say, and answers each with a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, final


@final
class Timed:
    """An agent of stable-baselines3's manner, whose turns of learning are timed in parts.

    Args:
        agent: steps its `env` and calls its `train` while it learns.
    """

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self._parts = {"world": 0.0, "update": 0.0}
        agent.env.step = self._watched("world", agent.env.step)
        agent.train = self._watched("update", agent.train)

    def turn(self, steps: int) -> dict[str, float]:
        """Learn for some environment steps.

        Args:
            steps: over all copies of the world.

        Returns:
            Seconds: "wall" and "cpu" of all, "world" and "update" of these parts of "wall".
        """
        self._parts.update(world=0.0, update=0.0)
        cpu, started = time.process_time(), time.perf_counter()
        self.agent.learn(steps, reset_num_timesteps=False)
        wall = time.perf_counter() - started
        return {"wall": wall, "cpu": time.process_time() - cpu, **self._parts}

    def _watched(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **kwargs)
            self._parts[part] += time.perf_counter() - started
            return result

        return call


@final
class SBXProcess:
    """Runs this file as a program.

    Args:
        python: of an environment with `sbx-rl`.
        threads: threads torch would use there, told for fairness to what little of it SBX uses.
    """

    def __init__(self, python: str, threads: int = 1) -> None:
        # -P: this folder's modules must not stand in for others of their names.
        command = [python, "-P", str(Path(__file__).resolve())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.versions: dict[str, str] = self._ask({"ask": "versions", "threads": threads})

    def make(self, name: str, **settings: Any) -> None:
        """Make an agent and let it learn a little, so that all is compiled.

        Args:
            name: to be known by.
            **settings: see `_make`.
        """
        self._ask({"ask": "make", "name": name, "settings": settings})

    def turn(self, name: str, steps: int, **changed: Any) -> dict[str, float]:
        """Let an agent learn; see `Timed.turn`.

        Args:
            name: of the agent.
            steps: environment steps over all copies of the world.
            **changed: attributes of the agent to be set before.
        """
        return self._ask({"ask": "turn", "name": name, "steps": steps, "changed": changed})

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            self._process.communicate(timeout=30)

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"the process of SBX ended with {self._process.returncode}")
        return json.loads(line)


def _make(folder: str, agent: str, world: str, copies: int, normalize: bool, own: Any) -> Timed:
    """Make an agent of SBX, with all logging.

    Args:
        folder: where to log.
        agent: "PPO" or "SAC".
        world: gymnasium's id.
        copies: copies of the world.
        normalize: whether to scale observations.
        own: the agent's settings.
    """
    import sbx
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.logger import configure
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

    env: VecEnv = make_vec_env(world, copies, seed=0)
    if normalize:
        env = VecNormalize(env, norm_reward=False)
    made = getattr(sbx, agent)("MlpPolicy", env, seed=0, **own)
    made.set_logger(configure(folder, ["tensorboard", "csv"]))
    return Timed(made)


def _serve() -> None:
    """Answer the lines on standard input."""
    from importlib import metadata

    answers = sys.stdout
    # What SBX prints must not be taken for an answer.
    sys.stdout = sys.stderr
    agents: dict[str, Timed] = {}
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            request = json.loads(line)
            answer: Any = None
            if request["ask"] == "versions":
                import torch

                torch.set_num_threads(request["threads"])
                answer = {name: metadata.version(name) for name in ("sbx-rl", "jax")}
            elif request["ask"] == "make":
                where = f"{folder}/{len(agents)}"
                agents[request["name"]] = _make(where, **request["settings"])
            else:
                timed = agents[request["name"]]
                vars(timed.agent).update(request["changed"])
                answer = timed.turn(request["steps"])
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
