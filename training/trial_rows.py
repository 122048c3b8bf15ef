"""What is told of trials, which are several episodes each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import mean

from .evaluation_worlds import Outcome


def in_episodes(outcomes: Sequence[Outcome]) -> Iterator[tuple[Outcome, dict[str, int]]]:
    """Yield every single episode, and where it is in its trial.

    Args:
        outcomes: of trials, or of episodes that are parts of none.

    Example:
        >>> trial = Outcome(5.0, 7, None, episodes=({"r": 2.0, "l": 4}, {"r": 3.0, "l": 3}))
        >>> [(one.reward, place) for one, place in in_episodes([trial])]
        [(2.0, {'trial': 0, 'episode_in_trial': 1}), (3.0, {'trial': 0, 'episode_in_trial': 2})]
    """
    for trial, outcome in enumerate(outcomes):
        if not outcome.episodes:
            yield outcome, {}
        for number, told in enumerate(outcome.episodes, 1):
            place = {"trial": trial, "episode_in_trial": number}
            yield Outcome(float(told["r"]), int(told["l"]), None), place


def trial_scalars(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Return the mean return of each episode of a trial, by tag.

    Args:
        outcomes: of trials; others are left out.

    Example:
        >>> trial = Outcome(5.0, 7, None, episodes=({"r": 2.0, "l": 4}, {"r": 3.0, "l": 3}))
        >>> trial_scalars([trial, trial])
        {'trial/return_1': 2.0, 'trial/return_2': 3.0}
    """
    returns: dict[int, list[float]] = {}
    for outcome in outcomes:
        for number, told in enumerate(outcome.episodes, 1):
            returns.setdefault(number, []).append(float(told["r"]))
    return {f"trial/return_{number}": mean(found) for number, found in sorted(returns.items())}
