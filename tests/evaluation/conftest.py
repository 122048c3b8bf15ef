from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """Values that other packages computed, and hand formulas; see `_provenance` in each."""
    file = Path(__file__).parent.parent / "data" / "metric_vectors.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))
