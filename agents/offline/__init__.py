"""Who learns from collected sets, without a world, or goes on from there in one."""

from .cql import CQL
from .famo2o import FamO2O
from .iql import IQL
from .oer import OER
from .online_famo2o import OnlineFamO2O

__all__ = ["CQL", "IQL", "OER", "FamO2O", "OnlineFamO2O"]
