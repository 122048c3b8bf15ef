"""How able to learn an agent still is: measured each iteration, without a trace in training."""

from .diagnose import Diagnostics, Subject, diagnose

__all__ = ["Diagnostics", "Subject", "diagnose"]
