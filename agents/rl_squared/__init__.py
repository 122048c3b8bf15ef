"""RL²: adapting within a trial of several episodes, over levels that are replayed by priority."""

from .level_replay import LevelReplay, LevelSampling, rank_weights, replay_weights
from .trials import Trials

__all__ = ["LevelReplay", "LevelSampling", "Trials", "rank_weights", "replay_weights"]
