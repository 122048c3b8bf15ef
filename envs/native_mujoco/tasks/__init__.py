"""gymnasium's MuJoCo tasks, one file each."""

from .ant import Ant
from .half_cheetah import HalfCheetah
from .hopper import Hopper
from .humanoid import Humanoid
from .inverted_double_pendulum import InvertedDoublePendulum
from .inverted_pendulum import InvertedPendulum
from .pusher import Pusher
from .reacher import Reacher
from .swimmer import Swimmer
from .walker2d import Walker2d

__all__ = [
    "Ant",
    "HalfCheetah",
    "Hopper",
    "Humanoid",
    "InvertedDoublePendulum",
    "InvertedPendulum",
    "Pusher",
    "Reacher",
    "Swimmer",
    "Walker2d",
]
