"""On three machines, as Ray sees them, of which one is lost."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from everlearn.training.sweep.local import run_locally
from everlearn.training.sweep.ray_cluster import run_on_ray

sys.path.insert(0, str(Path(__file__).parent))
from conftest import LONGER, compare_sweeps, count_restarts, is_under_way  # type: ignore[import-not-found]

cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is an extra: everlearn[ray]")

pytestmark = [
    pytest.mark.slow,
    # Ray leaves files and processes to the end of the interpreter.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

N_UNITS = int(os.environ.get("EVERLEARN_SWEEP_UNITS", "24"))


@pytest.fixture
def cluster() -> Any:
    import ray

    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def test_a_machine_is_lost(cluster: Any, make_sweep: Any) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    seeds, methods = f"0-{N_UNITS // 2 - 1}", ("none", "continual-backprop")
    sweep = make_sweep(seeds, methods, words=LONGER)
    lost = threading.Event()

    def look() -> None:
        if not lost.is_set() and is_under_way(sweep, sweep.units[0]):
            lost.set()
            heard = sweep.folder.hear(sweep.units[0])
            assert heard is not None
            above = {process.pid for process in psutil.Process(heard.process).parents()}
            (node,) = [node for node in nodes if raylet(node) in above]
            cluster.remove_node(node, allow_graceful=False)

    run_on_ray(sweep.folder, sweep.units, cluster.address, 1, 0, look, every=0.05)
    assert lost.is_set()
    assert [sweep.folder.state(unit).word for unit in sweep.units] == ["finished"] * N_UNITS
    assert count_restarts(sweep) == 1

    alone = make_sweep(seeds, methods, words=LONGER, folder="alone")
    run_locally(alone.folder, alone.units, 2, 0.0, lambda: None)
    compare_sweeps(sweep, alone)
