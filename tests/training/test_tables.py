from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from everlearn.training.tables import Table


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_rows_can_be_read_before_the_table_is_closed(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv", ("a", "b"))
    assert read(tmp_path / "t.csv") == []
    table.append({"b": 2, "a": 1})
    table.flush()
    assert read(tmp_path / "t.csv") == [{"a": "1", "b": "2"}]
    table.close()


def test_a_new_column_leaves_earlier_rows_whole(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv", ("a",))
    table.append({"a": 1})
    table.append({"a": 2, "late, with a comma": 0.5})
    table.append({"later": "x\ny"})
    table.append({"a": 4})
    table.close()
    assert read(tmp_path / "t.csv") == [
        {"a": "1", "late, with a comma": "", "later": ""},
        {"a": "2", "late, with a comma": "0.5", "later": ""},
        {"a": "", "late, with a comma": "", "later": "x\ny"},
        {"a": "4", "late, with a comma": "", "later": ""},
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    "number", [0.1, 1 / 3, 1e-300, -0.0, np.float32(0.1), np.float64(math.pi), 2**60, np.int64(7)]
)
def test_numbers_come_back_bit_for_bit(tmp_path: Path, number: float) -> None:
    table = Table(tmp_path / "t.csv")
    table.append({"n": number})
    table.close()
    back = read(tmp_path / "t.csv")[0]["n"]
    assert np.float64(back).tobytes() == np.float64(number).tobytes()


def test_truth_values_are_numbers(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv")
    table.append({"python": True, "numpy": np.bool_(False), "nothing": math.nan})
    table.close()
    assert read(tmp_path / "t.csv") == [{"python": "1", "numpy": "0", "nothing": "nan"}]


def test_an_earlier_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("old\n1\n")
    Table(tmp_path / "t.csv", ("new",)).close()
    assert (tmp_path / "t.csv").read_text() == "new\n"
