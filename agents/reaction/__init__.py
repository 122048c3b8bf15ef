"""Methods that notice a change of the world by a model of it, and react."""

from .change_detection import ChangeDetection
from .reactive_exploration import ReactiveExploration

__all__ = ["ChangeDetection", "ReactiveExploration"]
