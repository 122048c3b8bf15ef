"""Proximal policy optimization: the agent, and its update in pure functions."""

from .agent import PPO

__all__ = ["PPO"]
