"""The streams that come with everlearn, each a function from its settings to its data.

A stream's stationary twin, for control experiments, is `make_stream(name).frozen()`: the same
worlds, for ever in their first context.
"""

from . import locomotion, sequences, small_worlds
from .listing import CATALOGUE

__all__ = ["CATALOGUE", "locomotion", "sequences", "small_worlds"]
