"""Vectors of length 1 that tell what a task is: similar tasks have similar ones."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from itertools import pairwise

import numpy as np

SIZE = 384
"""Numbers in an embedding, as many as all-MiniLM-L6-v2's has."""

SENTENCES = "metaworld_sentences.npz"
"""Embeddings of one sentence for each of Meta-World's tasks, made by `embed_sentences.py`."""


def embed(text: str) -> np.ndarray:
    """Return the embedding of a task's description.

    A sentence of Meta-World's tasks gets the committed one of all-MiniLM-L6-v2; any other text is
    hashed, so that nothing needs to be downloaded.

    Args:
        text: what is to be done, in words.

    Returns:
        Of shape (384,).

    Raises:
        ValueError: there is no word in the text.

    Example:
        >>> push, back, hammer = map(embed, (
        ...     "Push the puck to a goal.", "Pull a puck to a goal.", "Hammer a screw on the wall."
        ... ))
        >>> bool(push @ back > 0.8 > push @ hammer)
        True
    """
    known = metaworld_embeddings().get(text)
    return hash_text(text) if known is None else known.copy()


def hash_text(text: str) -> np.ndarray:
    """Return a signed count of a text's words, pairs of words and triples of letters, hashed.

    Weinberger et al., "Feature hashing for large scale multitask learning" (2009). The hash is
    CRC-32, the same on every machine.

    Args:
        text: in any language that parts its words.

    Returns:
        Of shape (384,) and of length 1.

    Raises:
        ValueError: there is no word in the text.

    Example:
        >>> one, same, other = map(hash_text, ("Open a door.", "open a  door", "swim"))
        >>> bool(np.allclose(one, same)), bool(abs(one @ other) < 0.2)
        (True, True)
    """
    vector = np.zeros(SIZE)
    for feature in _features(text):
        number = zlib.crc32(feature.encode())
        vector[(number >> 1) % SIZE] += 1.0 if number & 1 else -1.0
    length = np.linalg.norm(vector)
    if length == 0:
        raise ValueError(f"a task's description must have words in it, unlike {text!r}")
    return vector / length


def project(context: Sequence[float], seed: int = 0) -> np.ndarray:
    """Return an embedding of numbers, for tasks that nobody has described in words.

    The numbers and a constant 1 go through a fixed random matrix (Johnson and Lindenstrauss 1984),
    so that angles between embeddings are about those between the contexts. Numbers of very
    different sizes should be scaled before.

    Args:
        context: what tells the task, such as friction and gravity.
        seed: of the matrix.

    Returns:
        Of shape (384,) and of length 1.

    Example:
        >>> near, same, far = project([1.0, 0.1]), project([1.0, 0.1]), project([-1.0, 5.0])
        >>> bool(near @ same > 0.999), bool(near @ far < 0.5)
        (True, True)
    """
    numbers = np.array([1.0, *context])
    matrix = np.random.default_rng(seed).standard_normal((len(numbers), SIZE))
    vector = numbers @ matrix
    projected: np.ndarray = vector / np.linalg.norm(vector)
    return projected


@cache
def metaworld_embeddings() -> dict[str, np.ndarray]:
    """Return the committed embeddings of Meta-World's tasks, by their sentences."""
    file = resources.files(__package__).joinpath(SENTENCES)
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as saved:
        pairs = zip(saved["sentences"].tolist(), saved["embeddings"], strict=True)
        return {sentence: vector.astype(np.float64) for sentence, vector in pairs}


@cache
def metaworld_sentences() -> dict[str, str]:
    """Return what is to be done in each of Meta-World's tasks, by envpool's id.

    Example:
        >>> metaworld_sentences()["MetaWorld/Push-v3"]
        'Push the puck to a goal.'
    """
    file = resources.files(__package__).joinpath(SENTENCES)
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as saved:
        return dict(zip(saved["worlds"].tolist(), saved["sentences"].tolist(), strict=True))


def _features(text: str) -> Iterator[str]:
    words = re.findall(r"\w+", text.lower())
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
    for word in words:
        padded = f"<{word}>"
        yield from (padded[place : place + 3] for place in range(len(padded) - 2))
