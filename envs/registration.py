"""Makes gymnasium know the catalogue."""

from __future__ import annotations

import gymnasium

from .catalogue import CATALOGUE


def register_catalogue() -> None:
    """Register every stream that gymnasium does not know yet."""
    for name in CATALOGUE:
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name,
                entry_point="everlearn.envs.make:make_env",
                vector_entry_point="everlearn.envs.make:make_vector_env",
                kwargs={"stream": name},
            )
