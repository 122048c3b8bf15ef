"""What an off-policy agent keeps, how often it learns from it, and methods that set this."""

from .adaptive_replay_ratio import AdaptiveReplayRatio
from .causality_aware_entropy import CausalityAwareEntropy
from .warm_start import WarmStart

__all__ = ["AdaptiveReplayRatio", "CausalityAwareEntropy", "WarmStart"]
