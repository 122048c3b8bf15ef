"""Change detection on a stream of numbers: pure functions with an explicit state."""

from .bayesian import BayesianOnline
from .cusum import CUSUM
from .detector import Detector, find_changes, pack_state, unpack_state
from .loss_deviation import LossDeviation
from .selection import Usual, select_expert, usual_of

__all__ = [
    "CUSUM",
    "BayesianOnline",
    "Detector",
    "LossDeviation",
    "Usual",
    "find_changes",
    "pack_state",
    "select_expert",
    "unpack_state",
    "usual_of",
]
