from __future__ import annotations

import io
from collections.abc import Callable

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from everlearn.training.progress import Progress, describe


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(env: VecEnv, output: io.StringIO, total_steps: int) -> str:
    model = PPO("MlpPolicy", env, n_steps=10, batch_size=20, n_epochs=1, seed=0, device="cpu")
    progress = Progress(total_steps, output)
    model.learn(total_steps, callback=progress)
    progress.close()
    return output.getvalue()


def test_without_a_terminal_a_line_every_tenth(make_changing_env: Callable[..., VecEnv]) -> None:
    lines = show(make_changing_env(), io.StringIO(), 400).splitlines()
    assert [line[:5] for line in lines] == [f"{10 * i:3d} %" for i in range(1, 11)]
    assert "steps/s" in lines[0]
    assert "segment 6" in lines[-1]
    assert "return -" in lines[-1]


def test_on_a_terminal_a_bar_that_ends_at_the_asked_steps(
    make_changing_env: Callable[..., VecEnv],
) -> None:
    shown = show(make_changing_env(), Terminal(), 50)
    assert "100%" in shown
    assert "50/50" in shown
    assert "segment" in shown


def test_before_an_episode_ends_there_is_no_return() -> None:
    assert describe([], [{"segment": 0, "steps_since_change": 8}]) == "segment 0"
    assert describe([], []) == ""
