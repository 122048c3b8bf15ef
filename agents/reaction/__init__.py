"""Methods that notice a change of the world by a model of it, and react."""

from .change_detection import ChangeDetection

__all__ = ["ChangeDetection"]
