"""Which worlds there are: streams as data, and the factories that make worlds of them.

Importing this room makes gymnasium know every stream of the catalogue.
"""

from .classic_knobs import register_classic_knobs
from .make import make_env, make_stream, make_vec_env, make_vector_env
from .mujoco_knobs import register_mujoco_knobs
from .registration import register_catalogue
from .stream import Stream, TableRow

__all__ = ["Stream", "TableRow", "make_env", "make_stream", "make_vec_env", "make_vector_env"]

register_mujoco_knobs()
register_classic_knobs()
register_catalogue()
