"""Figure `figure2-continuous`: as `figure2-truth`, on a linear-Gaussian problem with networks of the published sizes.

Below the violins: how far the estimates are from w*, whether they order the data as w* does, and how many of the data
they keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from matplotlib.figure import Figure

from figures.inputs.records import Numbers
from figures.theory.figure2_truth import Figure2TruthRecord, Measure, draw_beside_truth, error_of_weights


@dataclass(frozen=True, kw_only=True)
class Figure2ContinuousRecord(Figure2TruthRecord):
    """E estimators of the weights at R retrainings."""

    rank_correlation: Annotated[Numbers, "E", "R"]  # Spearman's, of w and w* over the data
    effective_share: Annotated[Numbers, "E", "R"]  # (sum w)^2 / (N sum w^2)
    exact_effective_share: Annotated[Numbers, "R"]  # of w*


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = Figure2ContinuousRecord.read(path, "figure2-continuous")
    order = Measure("Order of the data", ["rank correlation of w and w*", "1: the same order"], record.rank_correlation)
    share = Measure(
        "Data that are kept",
        ["effective share: 1 if all w are equal", "dashed: exact w*"],
        record.effective_share,
        record.exact_effective_share,
    )
    return draw_beside_truth(record, path, (error_of_weights(record), order, share))
