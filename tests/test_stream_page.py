"""Runs the code of the guide to streams, and holds its tables to the code."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from everlearn.envs.catalogue import CATALOGUE
from everlearn.training.stream_page import TABLES, fill
from everlearn.wrappers.interface import interface_knob_names
from everlearn.wrappers.knobs import knob_names
from everlearn.wrappers.serialization import _KINDS

PAGE = (Path(__file__).parent.parent / "docs" / "streams.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """More of torch's threads would wait for one another where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_examples_run() -> None:
    names: dict[str, Any] = {}
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    for number, block in enumerate(BLOCKS):
        test = parser.get_doctest(block, names, f"block {number}", "docs/streams.md", 0)
        assert test.examples, f"block {number} shows nothing that could be run"
        runner.run(test, clear_globs=False)
        # A test has a namespace of its own, which the next block goes on with.
        names = test.globs
    assert runner.failures == 0


def test_a_stream_that_was_not_foreseen_takes_few_lines() -> None:
    block = PAGE.partition("<!-- unforeseen -->\n```python\n")[2].partition("```")[0]
    assert "PPO" in block
    assert len(block.strip().splitlines()) < 15


def test_tables_are_those_of_the_code() -> None:
    written = "python -m everlearn.training.stream_page docs/streams.md"
    assert fill(PAGE) == PAGE, f"docs/streams.md is out of date: {written}"


@pytest.mark.parametrize("name", [*CATALOGUE, *knob_names(), *interface_knob_names()])
def test_every_stream_and_knob_has_one_row(name: str) -> None:
    assert PAGE.count(f"\n| `{name}` |") == 1


def test_no_row_is_of_something_that_is_gone() -> None:
    tables = "\n".join(table() for table in TABLES.values())
    rows = re.findall(r"^\| `([^`]+)` \|", tables, flags=re.MULTILINE)
    assert sorted(rows) == sorted([*CATALOGUE, *knob_names(), *interface_knob_names()])


@pytest.mark.parametrize("name", [name for name in _KINDS if name != "Change"])
def test_every_law_and_schedule_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_a_page_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="catalogue"):
        fill("nothing")
