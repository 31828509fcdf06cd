"""Fitting tabular dynamics by (weighted) maximum likelihood, free or tied.  Source: AMPL, Eqs. 4 and 6; theory.md 4.

In the unrestricted class every pair has its own row, and a weight on a pair cancels inside its row: importance
weighting cannot change the fit. In a tied class the pairs of a cell share one row; the maximizer is the weighted
average of the rows in the cell, and weighting moves it towards the pairs that the policy visits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ampl.errors import InvalidArgumentError, InvalidShapeError, check_at_least
from tabular.types import Dynamics, Floats, Integers, Weights


def maximum_likelihood(
    transition_mass: Any, weights: Weights | None = None, cells: Integers | None = None, smoothing: float = 0.0
) -> Dynamics:
    """The row-wise maximizer of E[w(s,a) log P_hat(s'|s,a)] over the free or a tied class.  Source: AMPL, Eq. 6.

    Args:
        transition_mass: counts N(s,a,s') or expected d_b(s,a) P*(s'|s,a): dense [S, A, S'] or sparse [S*A, S'].
        weights: w(s,a), [S, A], >= 0; one everywhere if not given (Eq. 4).
        cells: which row each pair shares, [S, A], integers from 0; a row of its own for each pair if not given.
        smoothing: mass added to every next state of every cell before normalizing (dense results only), >= 0.

    Returns:
        P_hat in the storage of `transition_mass`. Cells without any (weighted) data get the uniform row, or stay in
        place when sparse.

    Raises:
        InvalidShapeError, InvalidArgumentError: shapes that disagree, negative weights or smoothing.
    """
    check_at_least("smoothing", smoothing, 0.0)
    is_sparse = sparse.issparse(transition_mass)
    if is_sparse and smoothing > 0.0:
        raise InvalidArgumentError("smoothing fills every entry; use dense transition_mass or smoothing=0.")
    n_states = transition_mass.shape[-1]
    pairs = transition_mass if is_sparse else np.asarray(transition_mass).reshape(-1, n_states)
    if pairs.shape[0] % n_states or (transition_mass.ndim == 3 and transition_mass.shape[0] != n_states):
        raise InvalidShapeError(f"transition_mass has shape {transition_mass.shape}; expected [S, A, S'] or [S*A, S'].")
    n_actions = pairs.shape[0] // n_states
    flat_weights = _flat("weights", weights, n_states, n_actions, np.ones(pairs.shape[0]))
    flat_cells = _flat("cells", cells, n_states, n_actions, np.arange(pairs.shape[0])).astype(np.int64)
    if not (np.isfinite(flat_weights).all() and flat_weights.min() >= 0.0 and flat_cells.min() >= 0):
        raise InvalidArgumentError("weights and cells must be finite and >= 0 everywhere.")
    if cells is None and not is_sparse:  # each pair is its own cell
        mass = flat_weights[:, None] * pairs
        return _normalized_rows(mass + smoothing).reshape(n_states, n_actions, n_states)
    gather = sparse.csr_array(
        (flat_weights, (flat_cells, np.arange(len(flat_cells)))), shape=(int(flat_cells.max()) + 1, len(flat_cells))
    )
    if is_sparse:
        return _stay_where_empty(gather @ pairs, flat_cells, n_states, n_actions)
    return _normalized_rows(gather @ pairs + smoothing)[flat_cells].reshape(n_states, n_actions, n_states)


def aggregate_states(n_states: int, n_actions: int, n_cells: int) -> Integers:
    """A tied class: neighboring states share rows, action by action, [S, A] with at most n_cells * A cells."""
    check_at_least("n_cells", n_cells, 1)
    group = np.minimum(np.arange(n_states) * n_cells // n_states, n_cells - 1)
    return group[:, None] * n_actions + np.arange(n_actions)


def random_cells(n_states: int, n_actions: int, n_cells: int, generator: np.random.Generator) -> Integers:
    """A tied class: each pair is put into one of `n_cells` cells at random, [S, A]."""
    check_at_least("n_cells", n_cells, 1)
    return generator.integers(n_cells, size=(n_states, n_actions))


def _normalized_rows(mass: Floats) -> Floats:
    totals = mass.sum(axis=1, keepdims=True)
    return np.where(totals > 0.0, mass / np.where(totals > 0.0, totals, 1.0), 1.0 / mass.shape[1])


def _stay_where_empty(mass: Any, cells: Integers, n_states: int, n_actions: int) -> Dynamics:
    totals = np.asarray(mass.sum(axis=1)).ravel()
    scale = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0.0)
    rows = sparse.csr_array(mass.multiply(scale[:, None]))[cells]
    empty = np.flatnonzero(totals[cells] <= 0.0)
    stay = sparse.csr_array((np.ones(len(empty)), (empty, empty // n_actions)), shape=(n_states * n_actions, n_states))
    return sparse.csr_array(rows + stay)


def _flat(name: str, value: Any, n_states: int, n_actions: int, default: Any) -> Any:
    if value is None:
        return default
    if np.shape(value) != (n_states, n_actions):
        raise InvalidShapeError(f"{name} has shape {np.shape(value)}; expected [{n_states}, {n_actions}].")
    return np.asarray(value).ravel()
