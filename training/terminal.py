"""Tables for people: with rules on a terminal, aligned plain text in a file or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.table import Table


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Print a table on standard output.

    Args:
        columns: the headings.
        rows: their cells, as many as there are headings.
        right: headings of the columns that are flush right: numbers.
        whole: headings of the columns whose cells are never folded, as those of numbers are not.

    Example:
        >>> print_table(["stream", "steps"], [["ant", "90"], ["cheetah", "1,200"]], ["steps"])
        stream   steps
        ant         90
        cheetah  1,200
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        print(plain_table(columns, rows, right))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        numeric = column in right
        unbroken = numeric or column in whole
        table.add_column(
            column, justify="right" if numeric else "left", no_wrap=unbroken, overflow="fold"
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def plain_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> str:
    """Return a table as aligned text; the arguments are those of `print_table`."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    lines = []
    for row in (columns, *rows):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, cell, width in zip(columns, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


@contextmanager
def readers_may_leave() -> Iterator[None]:
    """End quietly when whoever reads standard output has had enough, as `head` has."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would raise again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
