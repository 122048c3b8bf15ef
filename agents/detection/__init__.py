"""Change detection on a stream of numbers: pure functions with an explicit state."""

from .bayesian import BayesianOnline
from .cusum import CUSUM
from .detector import Detector, find_changes, pack_state, unpack_state
from .loss_deviation import LossDeviation

__all__ = [
    "CUSUM",
    "BayesianOnline",
    "Detector",
    "LossDeviation",
    "find_changes",
    "pack_state",
    "unpack_state",
]
