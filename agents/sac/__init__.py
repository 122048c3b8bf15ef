"""Soft actor-critic: the agent, and its update in pure functions."""

from .agent import SAC

__all__ = ["SAC"]
