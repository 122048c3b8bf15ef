"""Context inference between worlds and any agent: SeCBAD, and its rivals by one setting."""

from .infer_context import InferContext
from .settings import ContextInference

__all__ = ["ContextInference", "InferContext"]
