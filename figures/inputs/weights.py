"""The estimated weights that a run kept at a retraining, or their summary, and the exact ones where they are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import read_npz
from ampl.runs.kept_weights import SUMMARY
from ampl.runs.weights_summary import WeightsSummary

_MEAN_TOLERANCE = 1e-2  # of weights, whose mean is one


def read_weights(path: Path) -> NDArray[Any]:
    """The estimated weights of one snapshot, [N], >= 0, mean one.  Raises InvalidFileError."""
    weights = read_npz(path, "the weights of a run", ["weights"])["weights"]
    valid = weights.ndim == 1 and weights.size > 0 and weights.dtype.kind == "f" and bool(np.isfinite(weights).all())
    if not valid or weights.min() < 0 or abs(weights.mean(dtype=np.float64) - 1.0) > _MEAN_TOLERANCE:
        raise InvalidFileError(f"{path} does not hold weights: expected [N] finite numbers, >= 0, of mean one.")
    return weights


def read_summary(path: Path) -> WeightsSummary:
    """The distribution of the weights of one snapshot, or as it was kept in their place.  Raises InvalidFileError."""
    kept = path.name.startswith(SUMMARY)
    return WeightsSummary.read(path) if kept else WeightsSummary.of(read_weights(path))


def read_exact_weights(path: Path) -> NDArray[Any] | None:
    """The exact weights beside those of a snapshot, [N]; None if they are not known.

    Raises:
        InvalidFileError: no weights, or as many as there are not.
    """
    exact = read_npz(path, "the weights of a run", [], ["exact_weights"]).get("exact_weights")
    if exact is None:
        return None
    shape = read_weights(path).shape
    if exact.shape != shape or exact.dtype.kind != "f" or not np.isfinite(exact).all() or exact.min() < 0.0:
        raise InvalidFileError(f"{path} does not hold exact weights: expected {list(shape)} finite numbers, >= 0.")
    return exact
