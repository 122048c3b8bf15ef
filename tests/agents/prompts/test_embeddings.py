from __future__ import annotations

import numpy as np
import pytest

from everlearn.agents.prompts.embeddings import (
    SIZE,
    embed,
    hash_text,
    metaworld_embeddings,
    metaworld_sentences,
    project,
)
from everlearn.envs.metaworld import CW10


def test_there_is_a_sentence_for_each_of_metaworlds_tasks() -> None:
    from envpool.registration import registry

    worlds = {world for world in registry.list_all_envs() if world.startswith("MetaWorld/")}
    assert set(metaworld_sentences()) == worlds
    assert len(worlds) == len(metaworld_embeddings()) == 50
    for vector in metaworld_embeddings().values():
        assert vector.shape == (SIZE,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_committed_embeddings_are_those_of_the_encoder() -> None:
    """Cosines of CoTASP's hints by all-MiniLM-L6-v2, measured with its package (0.1.0)."""
    vectors = {world[10:-3]: embed(metaworld_sentences()[world]) for world in CW10}
    wanted = {("Push", "PushBack"): 0.93, ("Push", "PushWall"): 0.87, ("Push", "ShelfPlace"): 0.70}
    for (one, other), cosine in wanted.items():
        assert vectors[one] @ vectors[other] == pytest.approx(cosine, abs=0.006)
    assert vectors["Hammer"] @ vectors["Push"] < 0.6


def test_hashing_tells_texts_apart_and_is_the_same_everywhere() -> None:
    text = "Pour the tea into the cup."
    vector = hash_text(text)
    assert (embed(text) == vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert vector @ hash_text("Pour the coffee into the cup.") > 0.5 > vector @ hash_text("Run!")
    # A change of the hash would change every mask.
    assert np.flatnonzero(hash_text("go")).tolist() == [39, 171, 314]
    with pytest.raises(ValueError, match="must have words in it"):
        hash_text("...")


def test_contexts_are_projected_alike() -> None:
    one, same, other = project([0.5, 2.0]), project([0.5, 2.0]), project([0.5, -2.0])
    assert (one == same).all()
    # The constant and the numbers: (1, 0.5, 2) and (1, 0.5, -2).
    assert one @ other == pytest.approx((1 + 0.25 - 4) / (1 + 0.25 + 4), abs=0.1)
    assert (project([0.5, 2.0], seed=1) != one).any()
