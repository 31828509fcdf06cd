"""Run directories of DAMO with values and samples, written without training anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.files import write_npz
from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import MetricsTable
from figures.training.damo_runs import TRUTH, VALUE
from tests.figures.inputs.synthetic_runs import SETTINGS, write_run

HOPPER = "hopper-medium-expert-v2"
WALKER2D = "walker2d-medium-expert-v2"


def write_damo_run(
    out: Path,
    task: str = HOPPER,
    variant: str = "main",
    seed: int = 0,
    *,
    score: Sequence[float] = (10.0, 20.0, 30.0),
    value: Sequence[float] | None = None,
    truth: Sequence[float] | None = None,
    alpha: object = 3.0,
    samples: Mapping[str, NDArray[Any]] | None = None,
    **more: Any,
) -> Path:
    """A run of DAMO; without `value` and `truth` it is one of an older version, which records neither."""
    settings = {**SETTINGS, "learner": {"alpha": alpha}}
    path = write_run(out, task, variant, seed, score=[], settings=settings, algorithm="damo", **more)
    table = MetricsTable(path / "metrics.csv")
    for epoch, reached in enumerate(score):
        metrics = {"critic/loss": 1.0, SCORE: reached}
        metrics |= {} if value is None else {VALUE: value[epoch]}
        metrics |= {} if truth is None else {TRUTH: truth[epoch]}
        table.append(epoch + 1, metrics)
    if samples is not None:
        write_npz(path / "samples.npz", samples)
    return path


def samples(
    data_shift: float = 0.0,
    truth_shift: float = 0.0,
    rows: int = 300,
    states: int = 11,
    actions: int = 3,
    seed: int = 0,
) -> dict[str, NDArray[Any]]:
    """Gaussian points; the model's are `data_shift` from the data and `truth_shift` from the truth, in every number."""
    generator = np.random.default_rng(seed)
    shifts = {"offline": -data_shift, "synthetic": 0.0, "model": 0.0, "real": -truth_shift}
    return {
        f"{kind}_{what}": generator.normal(shift, 1.0, (rows + extra, size)).astype(np.float32)
        for extra, (kind, shift) in enumerate(shifts.items())
        for what, size in (("state", states), ("action", actions))
    }
