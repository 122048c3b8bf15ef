"""Who learns from collected sets, without a world."""

from .cql import CQL
from .famo2o import FamO2O
from .iql import IQL
from .oer import OER

__all__ = ["CQL", "IQL", "OER", "FamO2O"]
