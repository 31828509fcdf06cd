"""What `weights-help` draws: what each kind of weights changes on a task, from its record or from runs of AMPL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np

from ampl.errors import InvalidFileError
from ampl.runs.metrics_table import read_curve
from figures.inputs.names import MAIN
from figures.inputs.records import Numbers, Record, Texts
from figures.inputs.runs import Run, recent

ONE_FIT, NONE, BETTER, EXACT = "one fit", "none", "better", "exact"
AMPLS = "AMPL's"
WEIGHTED = (AMPLS, BETTER, EXACT)
KINDS = (ONE_FIT, NONE, *WEIGHTED)
FINITE = {"nw": NONE, "one-moment": AMPLS, MAIN: BETTER, "exact-weights": EXACT}
DEEP = {"nw": ONE_FIT, "unit-weights": NONE, MAIN: AMPLS, "multi-moment": BETTER, "exact-weights": EXACT}
Values: TypeAlias = dict[str, Numbers]
"""By kind of weights, a number a seed."""


@dataclass(frozen=True, kw_only=True)
class WeightsHelpRecord(Record):
    """V kinds of weights on T tasks, N datasets each."""

    task: Annotated[Texts, "T"]
    variant: Annotated[Texts, "V"]
    weights_error: Annotated[Numbers, "T", "V", "N"]
    model_divergence: Annotated[Numbers, "T", "V", "N"]  # nats
    true_return: Annotated[Numbers, "T", "V", "N"]  # reward units a step
    behavior_return: Annotated[Numbers, "T"]
    optimal_return: Annotated[Numbers, "T"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What was measured on one task; empty where nothing was.

    Others are compared with refits without weights or, where no run has these, with a model that is fitted once.
    """

    name: str
    error: Values
    divergence: Values
    earned: Values
    runs: tuple[Run, ...] = ()

    def rows(self) -> list[Values]:
        """What is drawn in each row: as it is, as a multiple of no weights, as a difference seed by seed."""
        without = NONE if NONE in self.earned else ONE_FIT
        unit = self.divergence[without].mean() if without in self.divergence else np.nan
        relative = {kind: values / unit for kind, values in self.divergence.items()}
        gained = {kind: values - self.earned[without] for kind, values in self.earned.items()}
        return [self.error, relative, gained]

    def largest_gain(self) -> Numbers:
        """What the weights that gain the most on average change of the return, [seeds]; empty if no refit has any."""
        gained = self.rows()[-1]
        weighted = [gained[kind] for kind in WEIGHTED if kind in gained]
        return max(weighted, key=lambda gains: float(gains.mean()), default=np.zeros(0))


def finite_tasks(path: Path) -> list[Task]:
    """The tasks of the record at `path`, gains in % of the way from behavior to optimum.  Raises InvalidFileError."""
    record = WeightsHelpRecord.read(path, "weights-help")
    unknown = sorted(set(record.variant) - set(FINITE))
    if unknown or "nw" not in record.variant:
        raise InvalidFileError(f"{path} has the variants {', '.join(record.variant)}; expected {', '.join(FINITE)}.")
    kinds = [FINITE[variant] for variant in record.variant]
    found = []
    for index, name in enumerate(record.task):
        way = record.optimal_return[index] - record.behavior_return[index]
        earned = 100.0 * (record.true_return[index] - record.behavior_return[index]) / way
        columns = (record.weights_error[index], record.model_divergence[index], earned)
        error, divergence, share = (dict(zip(kinds, values, strict=True)) for values in columns)
        found.append(Task(name=str(name), error=error, divergence=divergence, earned=share))
    return found


def deep_tasks(runs: Sequence[Run]) -> list[Task]:
    """The tasks with runs of several kinds, one without weights among them, and the seeds that all of these have."""
    by_task: dict[str, dict[str, dict[int, Run]]] = {}
    for run in runs:
        by_task.setdefault(run.task, {}).setdefault(DEEP[run.variant], {})[run.seed] = run
    by_task = {
        task: kinds for task, kinds in by_task.items() if len(kinds) > 1 and not {NONE, ONE_FIT}.isdisjoint(kinds)
    }
    common = {task: sorted(set.intersection(*map(set, kinds.values()))) for task, kinds in by_task.items()}
    shown = {
        task: {kind: [there[seed] for seed in common[task]] for kind, there in kinds.items()}
        for task, kinds in sorted(by_task.items())
        if common[task]
    }
    return [
        Task(
            name=task,
            error=_measured(kinds, "exact_weights/error"),
            divergence=_measured(kinds, "truth/model_divergence_nats"),
            earned={kind: np.array([run.recent_score for run in there]) for kind, there in kinds.items()},
            runs=tuple(run for there in kinds.values() for run in there),
        )
        for task, kinds in shown.items()
    ]


def _measured(kinds: Mapping[str, Sequence[Run]], column: str) -> Values:
    """Means of a column's last measurements, of the kinds whose seeds all have it."""
    found = {}
    for kind, runs in kinds.items():
        curves = [read_curve(run.path / "metrics.csv", column).values for run in runs]
        if all(curve.size for curve in curves):
            found[kind] = np.array([recent(curve) for curve in curves])
    return found
