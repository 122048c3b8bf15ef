from __future__ import annotations

import os

# Before torch is imported, and for the processes that tests start: with more threads than one,
# small networks stand still wherever another process is busy.
os.environ["OMP_NUM_THREADS"] = "1"
