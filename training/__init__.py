"""One run, start to end: its folder, its logging, its progress."""
