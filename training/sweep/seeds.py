"""Which seeds a sweep has, and how those for tuning are kept from those that are reported."""

from __future__ import annotations

import re

from ...wrappers.errors import SettingsError

FIRST_TUNING_SEED = 2**31
"""Seeds from here on are for tuning; a report never shares one with a choice made before it."""


def parse_seeds(text: str, tuning: bool = False) -> tuple[int, ...]:
    """Return the seeds that a text names, each once, in its order.

    Args:
        text: numbers and ranges with both ends, such as "0-9" or "0-4,7,12-13".
        tuning: whether they are for tuning: number k is then the seed 2**31 + k, which no
            sweep for a report can have.

    Raises:
        SettingsError: for another form, a range that runs down, or a number out of range.

    Example:
        >>> parse_seeds("0-2,7")
        (0, 1, 2, 7)
        >>> parse_seeds("0-1", tuning=True)
        (2147483648, 2147483649)
    """
    seeds: dict[int, None] = {}
    for part in text.replace(" ", ",").split(","):
        if not part:
            continue
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise SettingsError(f"seeds are numbers and ranges such as 0-9 or 0,4,8, not {text!r}")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first:
            raise SettingsError(f"the range of seeds {part} runs down: write {last}-{first}")
        if last >= FIRST_TUNING_SEED:
            raise SettingsError(
                f"seeds are numbers below {FIRST_TUNING_SEED}, not {last}: those from there on "
                "are for tuning, and --tuning adds the offset itself"
            )
        offset = FIRST_TUNING_SEED if tuning else 0
        seeds.update(dict.fromkeys(range(first + offset, last + offset + 1)))
    if not seeds:
        raise SettingsError("a sweep needs a seed, such as --seeds 0-9")
    return tuple(seeds)
