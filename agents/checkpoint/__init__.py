"""All that decides how an agent goes on learning, as data in a folder, and back."""

from .agent_checkpoint import (
    apply_checkpoint,
    keeps_worlds,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from .folder import Found
from .tree import CheckpointError

__all__ = [
    "CheckpointError",
    "Found",
    "apply_checkpoint",
    "keeps_worlds",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
]
