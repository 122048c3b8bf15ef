"""What a search may choose from, as it is written on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...wrappers.errors import SettingsError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_RANGE = re.compile(r"([^.]*(?:\.\d+)?[^.]*)\.\.(.+?)(:log)?")


def read_space(texts: Sequence[str]) -> dict[str, BaseDistribution]:
    """Return Optuna's distributions by the names of what is searched for.

    Args:
        texts: name=value,value,... for a choice, name=low..high for a range of whole numbers or
            of any, by how they are written; with :log behind it where factors count.

    Raises:
        SettingsError: for another form, or a range that holds nothing.

    Example:
        >>> for name, values in read_space(["learning-rate=1e-5..1e-2:log", "n-epochs=1..10",
        ...                                 "activation=relu,tanh"]).items():
        ...     print(name, values)  # doctest: +SKIP
        learning-rate FloatDistribution(high=0.01, log=True, low=1e-05, step=None)
        n-epochs IntDistribution(high=10, log=False, low=1, step=1)
        activation CategoricalDistribution(choices=('relu', 'tanh'))
    """
    space = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise SettingsError(
                f"--space takes name=low..high, name=low..high:log or name=a,b,c, not {text!r}"
            )
        space[name.replace("_", "-")] = _distribution(text, values)
    if not space:
        raise SettingsError("search for what? Name settings: --space learning-rate=1e-5..1e-2:log")
    return space


def put_in(values: Mapping[str, Any], texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Put values in the places that texts keep for them; the others become settings of agents.

    Args:
        values: by name.
        texts: of methods or streams, which may hold `{name}`.

    Returns:
        The texts, and what remains as words of the command line.

    Example:
        >>> put_in({"maturity": 100, "gamma": 0.9}, ["continual-backprop:maturity={maturity}"])
        (['continual-backprop:maturity=100'], ['--gamma', '0.9'])
    """
    put = list(texts)
    words: list[str] = []
    for name, value in values.items():
        place = f"{{{name}}}"
        if any(place in text for text in put):
            put = [text.replace(place, str(value)) for text in put]
        else:
            words += [f"--{name}", str(value)]
    return put, words


def _distribution(text: str, values: str) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match = _RANGE.fullmatch(values)
    if match is None:
        return CategoricalDistribution(tuple(values.split(",")))
    log = match[3] is not None
    try:
        if all(re.fullmatch(r"-?\d+", end) for end in match.groups()[:2]):
            return IntDistribution(int(match[1]), int(match[2]), log=log)
        return FloatDistribution(float(match[1]), float(match[2]), log=log)
    except ValueError as error:
        raise SettingsError(f"--space {text}: {error}") from error
