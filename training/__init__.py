"""One run, start to end: its settings, its folder, its tables and its progress."""
