"""Over-complete dictionaries whose atoms are neurons, and sparse codes that choose among them."""

from __future__ import annotations

import warnings

import numpy as np

UNUSED = 1e-6
"""Sum of squared coefficients up to which an atom counts as unused (published code)."""

TOLERANCE = 1e-3
"""Share of the sparsity by which a code may miss the optimality conditions."""


def make_dictionary(atoms: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Return random atoms of length 1.

    Args:
        atoms: how many; more than `size` make the dictionary over-complete.
        size: numbers in each.
        generator: draws them.

    Returns:
        Of shape (atoms, size).
    """
    return shorten(generator.standard_normal((atoms, size)))


def shorten(atoms: np.ndarray) -> np.ndarray:
    """Bring atoms that are longer than 1 to the length 1, as the constraint of the paper has it.

    Args:
        atoms: of shape (atoms, size).

    Example:
        >>> shorten(np.array([[3.0, 4.0], [0.3, 0.4]])).tolist()
        [[0.6, 0.8], [0.3, 0.4]]
    """
    lengths = np.linalg.norm(atoms, axis=-1, keepdims=True)
    shortened: np.ndarray = atoms / np.maximum(lengths, 1)
    return shortened


def encode(embedding: np.ndarray, dictionary: np.ndarray, sparsity: float) -> np.ndarray:
    """Return the sparse code of an embedding: the lasso.

    It minimises half the squared length of `embedding - code @ dictionary`, plus `sparsity` times
    the sum of the code's magnitudes (Yang et al., "Continual task allocation in meta-policy network
    via sparse prompting", 2023, figure 1), by scikit-learn's least-angle regression as in the
    published code. Where its path ends before the optimum is reached, as it may among atoms that
    are alike, coordinate descent goes there.

    Args:
        embedding: of shape (size,).
        dictionary: of shape (atoms, size).
        sparsity: the larger, the fewer coefficients differ from 0; more than 0.

    Returns:
        Of shape (atoms,), with signs.

    Example:
        >>> encode(np.array([1.0, 0.0]), np.eye(2), sparsity=0.1).tolist()
        [0.9, 0.0]
    """
    # Takes a second to import, and only CoTASP needs it.
    from sklearn.decomposition import sparse_encode
    from sklearn.linear_model import Lasso

    with warnings.catch_warnings():
        # What they warn of is looked at here.
        warnings.simplefilter("ignore")
        code: np.ndarray = sparse_encode(
            embedding[None], dictionary, algorithm="lasso_lars", alpha=sparsity, max_iter=10_000
        )[0]
        if optimality_gap(code, embedding, dictionary, sparsity) <= TOLERANCE:
            return code
        descent = Lasso(sparsity / len(embedding), fit_intercept=False, tol=1e-12, max_iter=100_000)
        other: np.ndarray = descent.fit(dictionary.T, embedding).coef_
    gaps = [optimality_gap(each, embedding, dictionary, sparsity) for each in (code, other)]
    return code if gaps[0] < gaps[1] else other


def optimality_gap(
    code: np.ndarray, embedding: np.ndarray, dictionary: np.ndarray, sparsity: float
) -> float:
    """Return how far a code is from fulfilling the lasso's optimality conditions, as a share.

    At the optimum (Karush, Kuhn, Tucker) no atom has more than `sparsity` in common with what is
    left of the embedding, and one with a coefficient has just so much, with its sign.

    Args:
        code: of shape (atoms,).
        embedding: of shape (size,).
        dictionary: of shape (atoms, size).
        sparsity: as for `encode`.

    Returns:
        The largest violation, divided by `sparsity`; 0 at the optimum.

    Example:
        >>> optimality_gap(np.zeros(2), np.array([1.0, 0.0]), np.eye(2), sparsity=0.5)
        1.0
    """
    common = dictionary @ (embedding - code @ dictionary)
    used = code != 0
    of_unused = np.abs(common[~used]) - sparsity
    of_used = np.abs(common[used] - sparsity * np.sign(code[used]))
    return max(float(np.max(np.append(of_unused, 0))), float(np.max(np.append(of_used, 0)))) / (
        sparsity
    )


def update_dictionary(
    dictionary: np.ndarray,
    codes: np.ndarray,
    embeddings: np.ndarray,
    resample: np.random.Generator | None = None,
) -> np.ndarray:
    """Return a dictionary that fits codes to embeddings better: block-coordinate descent.

    Mairal et al., "Online dictionary learning for sparse coding" (2009), algorithm 2: each atom in
    turn is set to the best that it can be while the others stay, and brought to a length of 1 or
    less.

    Args:
        dictionary: of shape (atoms, size).
        codes: of all tasks so far, of shape (tasks, atoms).
        embeddings: theirs, of shape (tasks, size).
        resample: draws atoms that no code uses anew, around the last embedding, as the published
            code does; None leaves them as they are.

    Returns:
        Of shape (atoms, size).

    Example:
        >>> update_dictionary(np.array([[1.0, 0.0]]), np.array([[0.5]]), np.array([[0.0, 0.4]]))
        array([[0. , 0.8]])
    """
    updated = dictionary.copy()
    products, targets = codes.T @ codes, codes.T @ embeddings
    for atom in range(len(updated)):
        weight = products[atom, atom]
        if weight > UNUSED:
            atoms = updated[atom] + (targets[atom] - products[atom] @ updated) / weight
        elif resample is not None:
            last = embeddings[-1]
            atoms = last + resample.normal(scale=last.std(), size=last.shape)
        else:
            continue
        updated[atom] = shorten(atoms)
    return updated
