"""What `scripts/benchmark.py` measures; heavy imports wait until it does."""
