"""Methods that notice a change of the world by a model of it, and react."""

from .change_detection import ChangeDetection
from .experts import Experts
from .reactive_exploration import ReactiveExploration

__all__ = ["ChangeDetection", "Experts", "ReactiveExploration"]
