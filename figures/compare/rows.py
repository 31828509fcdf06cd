"""The rows of a comparison: one for the seeds of each task, algorithm, variant and settings, and some over tasks.

Runs of one variant with different settings, of whatever kind (epochs, data, ...), are rows of their own, named by what
differs. So are runs with the same settings and seed in two folders, as before and after a change of the code; other
seeds are taken together wherever they lie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ampl.setting_values import value_text
from ampl.statistics import Scores
from figures.inputs.differences import differing_keys, setting
from figures.inputs.measures import Measure, measure_of
from figures.inputs.runs import SCORE_WINDOW, Ending, Run
from figures.inputs.scores import Cell, distinct

_SHOWN_DIFFERENCES = 3
_HASH, _SHOWN_HASH = 64, 7  # letters


class Policies(StrEnum):
    """Which of a run's policies it is judged by."""

    RECENT = f"mean of the last {SCORE_WINDOW} evaluations"
    LAST = "last evaluation"


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A method on one task, or on several.

    Attributes:
        algorithm: its name.
        variant: it, and the settings that were asked for: "main, penalty_weight=2.5".
        differs: what tells it from other rows of this algorithm and variant; empty if there are none.
        measure: what its runs are judged by.
        cells: its runs, at least one, on each task.
    """

    algorithm: str
    variant: str
    differs: str
    measure: Measure
    cells: tuple[Cell, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in the order of the cells."""
        return tuple(cell.task for cell in self.cells)

    @property
    def runs(self) -> list[Run]:
        """Those of all tasks."""
        return [run for cell in self.cells for run in cell.runs]

    @property
    def method(self) -> str:
        """What ran: "mopo/main, penalty_weight=2.5"."""
        return f"{self.algorithm}/{self.label}"

    @property
    def label(self) -> str:
        """The variant, and what differs."""
        return ", ".join(filter(None, (self.variant, self.differs)))

    @property
    def name(self) -> str:
        """Method and tasks: "hopper-medium-v2/mopo/main"."""
        return f"{' + '.join(self.tasks)}/{self.method}"

    def scores(self, policies: Policies) -> Scores:
        """Of each task what each seed reached."""
        return [cell.scores if policies is Policies.RECENT else cell.last_scores for cell in self.cells]


def rows_by_task(runs: Iterable[Run]) -> list[Row]:
    """The rows of single tasks, of the runs that can be scored: in the order task, algorithm, variant, settings."""
    rows = []
    for (task, algorithm, variant, measure), alike in _grouped(runs).items():
        for differs, there in _told_apart(alike).items():
            cell = Cell(task=task, variant=variant, runs=tuple(sorted(there, key=lambda run: run.seed)))
            rows.append(Row(algorithm=algorithm, variant=variant, differs=differs, measure=measure, cells=(cell,)))
    return rows


def rows_over_tasks(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """For each set of two or more tasks that a method has scores on: all methods that have scores on all of them.

    Args:
        rows: of single tasks.

    Returns:
        The rows, and a sentence for each method that has no such row as it has several on one task.
    """
    methods: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.measure is Measure.SCORE:
            methods.setdefault((row.algorithm, row.variant), []).append(row)
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    notes = []
    for (algorithm, variant), there in methods.items():
        for differs, alike in _by_folder(there).items():
            if repeated := _repeated_task(alike):
                notes.append(f"{algorithm}/{variant} {differs}: not taken over tasks, for {repeated} has several rows.")
            elif len(alike) > 1:
                found[algorithm, variant, differs] = {row.tasks[0]: row for row in alike}
    over = []
    for tasks in sorted({tuple(there) for there in found.values()}, key=lambda each: (-len(each), each)):
        for (algorithm, variant, differs), by_task in found.items():
            if set(tasks) <= set(by_task):
                cells = tuple(by_task[task].cells[0] for task in tasks)
                names = {"algorithm": algorithm, "variant": variant, "differs": differs}
                over.append(Row(**names, measure=Measure.SCORE, cells=cells))
    return over, notes


def _by_folder(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of a method together where each task has one, otherwise those of each folder, with words for it."""
    if _repeated_task(rows) is None:
        return {"": list(rows)}
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"in {distinct(str(run.folder) for run in row.runs)}", []).append(row)
    return found


def _repeated_task(rows: Iterable[Row]) -> str | None:
    """The first task that has several rows."""
    counts = Counter(row.tasks[0] for row in rows)
    return next((task for task, count in counts.items() if count > 1), None)


def left_out(runs: Iterable[Run]) -> list[str]:
    """Which runs are in no row, or in one although they are not finished: a sentence for each reason."""
    seeds: dict[str, dict[tuple[str, str], list[str]]] = {}  # by reason, and by what ran and what is to be said of it
    for run in runs:
        place = "" if run.folder == Path() else f" in {run.folder}"
        name = f"{run.task}/{run.algorithm}/{run.label}{place}"
        if run.ending is Ending.STOPPED:
            reason, detail = "Diverged, not counted", run.message
        elif not run.scored:
            reason, detail = "Without an evaluation, not counted", f"{run.epochs} epochs"
        elif run.ending is Ending.UNFINISHED:
            reason, detail = "Unfinished (*), counted as far as they are", f"{run.epochs} epochs"
        else:
            continue
        seeds.setdefault(reason, {}).setdefault((name, detail), []).append(str(run.seed))
    return [
        f"{reason}: "
        + "; ".join(f"{name}, seed {', '.join(there)} ({detail})" for (name, detail), there in named.items())
        + "."
        for reason, named in seeds.items()
    ]


def _grouped(runs: Iterable[Run]) -> dict[tuple[str, str, str, Measure], list[Run]]:
    found: dict[tuple[str, str, str, Measure], list[Run]] = {}
    for run in runs:
        if run.scored:
            found.setdefault((run.task, run.algorithm, run.label, measure_of(run)), []).append(run)
    return dict(sorted(found.items()))


def _told_apart(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs of one variant by what differs in their settings, in words, and then by their folders if a seed repeats."""
    keys = differing_keys(runs)
    last = [key.rpartition(".")[2] for key in keys]
    names = {key: short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)}
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_differences(run, names), []).append(run)
    shown = dict(list(names.items())[:_SHOWN_DIFFERENCES])
    if len({_differences(there[0], shown) for there in groups.values()}) < len(groups):
        shown = names  # where some do not tell all groups apart
    found: dict[str, list[Run]] = {}
    for there in groups.values():
        repeats = len({run.seed for run in there}) < len(there)
        for run in there:
            more = f"and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
            place = f"in {run.folder}" if repeats else ""
            name = ", ".join(filter(None, (_differences(run, shown), more, place)))
            found.setdefault(name, []).append(run)
    return found


def _differences(run: Run, names: Mapping[str, str]) -> str:
    """The settings of a run, each by its name, in words."""
    texts = {name: value_text(setting(run, key)) for key, name in names.items()}
    return ", ".join(f"{name}={text[:_SHOWN_HASH] if len(text) == _HASH else text}" for name, text in texts.items())
