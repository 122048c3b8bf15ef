"""Runs in the formats of other packages."""
