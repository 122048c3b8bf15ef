"""Who learns: agents on stable-baselines3, and the methods that keep them learning."""

from .checkpoint import load_checkpoint, save_checkpoint
from .method import Method
from .plasticity.continual_backprop import ContinualBackprop
from .ppo import PPO
from .sac import SAC

__all__ = ["PPO", "SAC", "ContinualBackprop", "Method", "load_checkpoint", "save_checkpoint"]
