"""Sparse prompts: task descriptions, embedded, and encoded by dictionaries of neurons."""
