"""How the weights of a retraining are distributed, in a few kB: `ampl figure figure2` draws the same from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ampl.errors import InvalidFileError
from ampl.files import read_npz, write_npz
from ampl.interfaces import Array

N_BINS = 512
LEVELS = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0)  # the extremes first and last
QUARTERS = slice(4, 7)  # of LEVELS


@dataclass(frozen=True, kw_only=True)
class WeightsSummary:
    """The distribution of log w, in nats. The log of zero, -inf, is counted and otherwise left out.

    Attributes:
        counts: [N_BINS] weights in bins of equal width in log w, from the smallest to the largest that is not zero.
        quantiles: [len(LEVELS)] of log w at LEVELS; NaN if every weight is zero.
        deviation: the standard deviation of log w; NaN likewise.
        zeros: weights that are exactly zero.
    """

    counts: Array
    quantiles: Array
    deviation: float
    zeros: int

    @property
    def number(self) -> int:
        """N, the zeros included."""
        return int(self.counts.sum()) + self.zeros

    @classmethod
    def of(cls, weights: Array) -> Self:
        """That of weights, [N], finite and >= 0."""
        with np.errstate(divide="ignore"):
            return cls.of_logs(np.log(weights, dtype=np.float64))

    @classmethod
    def of_logs(cls, log_weights: Array) -> Self:
        """The same of log w, [N], finite or -inf."""
        kept = log_weights[np.isfinite(log_weights)].astype(np.float64)
        zeros = log_weights.size - kept.size
        if not kept.size:
            nothing = np.full(len(LEVELS), np.nan)
            return cls(counts=np.zeros(N_BINS, np.int64), quantiles=nothing, deviation=np.nan, zeros=zeros)
        low, high = kept.min(), kept.max()
        bins = ((kept - low) / ((high - low) or 1.0) * N_BINS).astype(np.int64)
        counts = np.bincount(np.minimum(bins, N_BINS - 1), minlength=N_BINS)
        return cls(counts=counts, quantiles=np.quantile(kept, LEVELS), deviation=float(kept.std()), zeros=zeros)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The one in a file.  Raises InvalidFileError."""
        shapes = {"counts": (N_BINS,), "quantiles": (len(LEVELS),), "deviation": (), "zeros": ()}
        found: dict[str, Any] = dict(read_npz(path, "the summary of a run's weights", shapes))
        kinds = {name: "i" if name in ("counts", "zeros") else "f" for name in shapes}
        if all((found[name].shape, found[name].dtype.kind) == (shapes[name], kinds[name]) for name in shapes):
            summary = cls(**found | {"deviation": float(found["deviation"]), "zeros": int(found["zeros"])})
            measured = np.isfinite([*summary.quantiles, summary.deviation]).all()
            least = min(summary.counts.min(), summary.zeros)
            if summary.number > 0 and least >= 0 and measured == summary.counts.any():
                return summary
        raise InvalidFileError(
            f"{path} does not hold the summary of a run's weights: expected counts in {N_BINS} bins, "
            f"{len(LEVELS)} quantiles, a deviation and a number of zeros, each as the others say."
        )

    def write(self, path: Path) -> None:
        """Writes it, atomically."""
        write_npz(path, asdict(self))
