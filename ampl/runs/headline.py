"""An epoch in a few words, for the progress display: the score, some losses, and how fast it goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ampl.interfaces import Metrics

SCORE = "evaluation/score_mean"  # normalized, 0-100; the mean of the episodes of one evaluation
_LOSSES = 3  # the last ones of a row: an epoch's own stand behind those of the model's fit


def headline(rows: Sequence[Metrics], steps_per_second: float) -> str:
    """The rows of one epoch in a line.

    Args:
        rows: one a seed that is still running, with the same names; numbers are means over them. Empty before the
            first one is recorded.
        steps_per_second: updates of critics and policy, per seed.
    """
    names = list(rows[0]) if rows else []
    score = next((name for name in names if name == SCORE), None)
    score = score or next((name for name in names if name.startswith("evaluation/return")), None)
    losses = [name for name in names if "loss" in name and not name.startswith("evaluation/")]
    chosen = [name for name in (score, *losses[-_LOSSES:]) if name is not None]
    parts = [f"{_short(name)} {np.mean([row[name] for row in rows]):.4g}" for name in chosen]
    speed = f"{steps_per_second:,.0f}" if steps_per_second >= 100 else f"{steps_per_second:.3g}"
    return ", ".join([*parts, f"{speed} steps/s"])


def _short(name: str) -> str:
    return name.removeprefix("evaluation/").replace("/", " ").replace("_", " ")
