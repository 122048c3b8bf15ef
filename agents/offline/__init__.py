"""Who learns from collected sets, without a world."""

from .cql import CQL
from .iql import IQL
from .start import start_from

__all__ = ["CQL", "IQL", "start_from"]
