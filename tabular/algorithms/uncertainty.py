"""How far a fitted model may be off at each pair: by its counts or by a bootstrap; an L1 distance in [0, 2]."""

from __future__ import annotations

import numpy as np

from ampl.randomness import stream
from tabular.exact.dynamics import maximum_likelihood
from tabular.types import Floats, Integers


def spread_by_counts(counts: Integers, cells: Integers) -> Floats:
    """sqrt(k / n) for n rows of the pair's cell with k different next states, [S, A]; 2 without data."""
    pooled = np.zeros((int(cells.max()) + 1, counts.shape[2]))
    np.add.at(pooled, cells.ravel(), counts.reshape(-1, counts.shape[2]))
    seen, possible = pooled.sum(axis=1), (pooled > 0.0).sum(axis=1)
    spread = np.sqrt(possible / np.maximum(seen, 1.0))
    return np.where(seen > 0.0, np.minimum(spread, 2.0), 2.0)[cells]


def bootstrap_disagreement(counts: Integers, cells: Integers, n_members: int, smoothing: float, seed: int) -> Floats:
    """max_i |P_i - mean P|_1 over models of bootstrap samples, [S, A].  Source: MOPO, "ens. pen."."""
    generator = stream(seed, "bootstrap")
    flat = counts.ravel()
    resampled = generator.multinomial(flat.sum(), flat / flat.sum(), size=n_members)
    rows = [maximum_likelihood(sample.reshape(counts.shape), None, cells, smoothing=smoothing) for sample in resampled]
    mean = sum(rows) / len(rows)
    return np.max([np.abs(row - mean).sum(axis=2) for row in rows], axis=0)
