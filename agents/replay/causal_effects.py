"""How much each dimension of an action moves the reward, by structure learning or regression."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import numpy as np

from ...wrappers.errors import SettingsError
from .newest import Transitions

Estimator = Literal["auto", "direct-lingam", "least-squares"]
"""What estimates effects; "auto" is DirectLiNGAM where the package `lingam` is installed."""

Influence = Literal["signed", "absolute", "off"]
"""What of an effect counts: with its sign as ACE's released code has it, or its size."""


def choose_estimator(estimator: Estimator) -> Estimator:
    """Return what "auto" stands for here.

    Args:
        estimator: as asked for.

    Raises:
        SettingsError: DirectLiNGAM is asked for by name and `lingam` is not installed.
    """
    installed = find_spec("lingam") is not None
    if estimator == "direct-lingam" and not installed:
        raise SettingsError(
            "DirectLiNGAM needs the package lingam (pip install everlearn[causal]): without it "
            "there is the estimator 'least-squares'"
        )
    if estimator == "auto":
        return "direct-lingam" if installed else "least-squares"
    return estimator


def reward_effects(transitions: Transitions, estimator: Estimator) -> np.ndarray:
    """Return the direct effect of each action dimension on the reward of the same transition.

    Ji et al., "ACE" (2024): columns are states, actions and the reward, neither standardised nor
    told which may cause which; of the structure's adjacency matrix the reward's row counts. Where
    the reward comes last in the causal order that row estimates the coefficients of a linear
    regression on all the rest, which "least-squares" computes. Columns that never change have no
    effect, and are left out of the estimate.

    Args:
        transitions: at least as many as columns.
        estimator: "direct-lingam" or "least-squares".

    Returns:
        Of shape (dimensions,).

    Example:
        >>> random = np.random.default_rng(0)
        >>> states, actions = random.uniform(size=(200, 2)), random.uniform(size=(200, 2))
        >>> rewards = states[:, 0] + 2 * actions[:, 0] - actions[:, 1]
        >>> reward_effects(Transitions(states, actions, rewards), "least-squares").round(6).tolist()
        [2.0, -1.0]
    """
    causes = np.hstack([transitions.observations, transitions.actions]).astype(np.float64)
    rewards = transitions.rewards.astype(np.float64)
    moving = np.ptp(causes, axis=0) > 0
    row = np.zeros(causes.shape[1])
    if moving.any() and np.ptp(rewards) > 0:
        effects_of = _least_squares if estimator == "least-squares" else _direct_lingam
        row[moving] = effects_of(causes[:, moving], rewards)
    return row[transitions.observations.shape[1] :]


def weights_of(effects: np.ndarray, influence: Influence) -> np.ndarray:
    """Return the entropy weight of each action dimension.

    Args:
        effects: of shape (dimensions,).
        influence: "signed" for softmax(effects), as ACE's released code has it, where a strongly
            negative cause gets the least weight; "absolute" for the softmax of their sizes.

    Returns:
        Of the same shape; their sum is the number of dimensions.

    Example:
        >>> effects = np.array([2.0, -1.5, 0.5, 0.0, 0.0, 0.0])
        >>> weights_of(effects, "signed").round(2).tolist()
        [3.62, 0.11, 0.81, 0.49, 0.49, 0.49]
        >>> weights_of(effects, "absolute").round(2).tolist()
        [2.68, 1.63, 0.6, 0.36, 0.36, 0.36]
    """
    logits = np.abs(effects) if influence == "absolute" else effects
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum() * len(effects))


def _least_squares(causes: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    centred = causes - causes.mean(axis=0)
    coefficients, *_ = np.linalg.lstsq(centred, rewards - rewards.mean(), rcond=None)
    return np.asarray(coefficients)


def _direct_lingam(causes: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    import lingam

    model = lingam.DirectLiNGAM()
    model.fit(np.column_stack([causes, rewards]))
    return np.asarray(model.adjacency_matrix_[-1, :-1])
