"""How a world changes: schedules, value laws, knobs, and the wrappers that apply them."""

from . import action_knobs, observation_knobs, reward_knobs

__all__ = ["action_knobs", "observation_knobs", "reward_knobs"]
