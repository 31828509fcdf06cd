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
from ampl.real_numbers import real_array
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
        InvalidShapeError: shapes that disagree.
        InvalidArgumentError: mass, weights, cells or smoothing that are negative, not finite or no real numbers.
    """
    check_at_least("smoothing", smoothing, 0.0)
    is_sparse = sparse.issparse(transition_mass)
    if is_sparse and smoothing > 0.0:
        raise InvalidArgumentError("smoothing fills every entry; use dense transition_mass or smoothing=0.")
    given = transition_mass if is_sparse else real_array("transition_mass", transition_mass)
    shape = given.shape
    if len(shape) not in (2, 3) or 0 in shape or (shape[0] % shape[1] if len(shape) == 2 else shape[0] != shape[2]):
        raise InvalidShapeError(f"transition_mass has shape {shape}; expected [S, A, S'] or [S*A, S'].")
    n_states = shape[-1]
    pairs = sparse.csr_array(given) if is_sparse else given.reshape(-1, n_states)
    _check_mass(pairs)
    n_actions = pairs.shape[0] // n_states
    flat_weights = _flat("weights", weights, n_states, n_actions, np.ones(pairs.shape[0]))
    flat_cells = _flat("cells", cells, n_states, n_actions, np.arange(pairs.shape[0]))
    for name, values in (("weights", flat_weights), ("cells", flat_cells)):
        if not (np.isfinite(values).all() and values.min() >= 0.0):
            raise InvalidArgumentError(f"{name} must be finite and >= 0 everywhere.")
    if (flat_cells != np.floor(flat_cells)).any():
        raise InvalidArgumentError("cells must be integers: which row each pair shares, from 0.")
    flat_cells = flat_cells.astype(np.int64)
    if cells is None and not is_sparse:  # each pair is its own cell
        mass = flat_weights[:, None] * pairs
        return _normalized_rows(mass + smoothing).reshape(n_states, n_actions, n_states)
    gather = sparse.csr_array(
        (flat_weights, (flat_cells, np.arange(len(flat_cells)))), shape=(int(flat_cells.max()) + 1, len(flat_cells))
    )
    if is_sparse:
        return _stay_where_empty(gather @ pairs, flat_cells, n_states, n_actions)
    return _normalized_rows(gather @ pairs + smoothing)[flat_cells].reshape(n_states, n_actions, n_states)


def _check_mass(pairs: Any) -> None:
    """Raises InvalidArgumentError unless the mass of every pair and next state, [S*A, S'], is finite and >= 0."""
    is_sparse = sparse.issparse(pairs)
    entries = real_array("transition_mass", pairs.data if is_sparse else pairs).ravel()
    bad = np.flatnonzero(~(np.isfinite(entries) & (entries >= 0.0)))
    if not len(bad):
        return
    n_states = pairs.shape[1]
    first, n_actions = int(bad[0]), pairs.shape[0] // n_states
    if is_sparse:
        pair, following = int(np.searchsorted(pairs.indptr, first, side="right")) - 1, int(pairs.indices[first])
    else:
        pair, following = divmod(first, n_states)
    raise InvalidArgumentError(
        f"transition_mass is {entries[first]:g} at state {pair // n_actions}, action {pair % n_actions} and next state "
        f"{following}; expected finite counts or probabilities >= 0."
    )


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
    return real_array(name, value).ravel()
