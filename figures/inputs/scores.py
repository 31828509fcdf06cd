"""Seeds of one dataset and variant as one score or return, with the circumstances that it was reached under."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.runs.headline import SCORE
from ampl.statistics import over_seeds
from figures.inputs.differences import LENGTH, differing_keys
from figures.inputs.names import ALGORITHM, MAIN, train_command
from figures.inputs.runs import SCORE_WINDOW, UNKNOWN, Ending, Run, find_runs
from figures.inputs.table import Value

_logger = logging.getLogger(__name__)

SPREAD_NOTE = "± is the standard deviation over seeds (divisor n - 1 for ours), left out for a single seed."
_SHOWN_KEYS = 3  # settings that are named
_APART = "`ampl compare` keeps them apart; --runs with a folder that holds only some of the runs draws those."
COMPARABLE_NOTE = (
    "Published scores are on the original D4RL data at full length; ours on re-created data, or after fewer steps, are "
    "not the same quantity."
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The scored runs of one dataset and variant, at least one.

    Attributes:
        task, variant: which.
        runs: by seed.
    """

    task: str
    variant: str
    runs: tuple[Run, ...]

    @property
    def scores(self) -> NDArray[np.float64]:
        """[seeds] score of each seed, 0-100, or return: the mean of its last SCORE_WINDOW evaluations."""
        return np.array([run.recent_score for run in self.runs])

    @property
    def last_scores(self) -> NDArray[np.float64]:
        """[seeds] likewise from the last evaluation alone."""
        return np.array([run.last_score for run in self.runs])

    @property
    def seeds(self) -> str:
        """The seeds, with those that are not finished marked: "0, 1, 2 (unfinished)"."""
        marks = {run.seed: "" if run.ending is Ending.FINISHED else " (unfinished)" for run in self.runs}
        return ", ".join(f"{seed}{mark}" for seed, mark in marks.items())

    @property
    def steps(self) -> str:
        """Gradient steps of each seed: "1,000,000", or the range where they differ, and whether they were scaled."""
        return step_range(self.runs)

    @property
    def data(self) -> str:
        """Where the data come from."""
        return distinct(run.data for run in self.runs)

    @property
    def devices(self) -> str:
        """What the seeds ran on."""
        return distinct(run.device for run in self.runs)

    @property
    def commits(self) -> str:
        """The git commits they ran at."""
        return distinct(run.commit for run in self.runs)

    @property
    def circumstances(self) -> str:
        """One sentence of all of these."""
        return (
            f"seeds {self.seeds}; data {self.data}; steps {self.steps}; device {self.devices}; commit {self.commits}."
        )


def read_scores(
    folder: Path, tasks: Iterable[str], variants: Iterable[str], algorithm: str = ALGORITHM, metric: str = SCORE
) -> tuple[list[Cell], list[Run]]:
    """The cells that have runs, and the runs that stopped.

    Args:
        folder: folder of all runs.
        tasks: datasets, in the order wanted.
        variants: likewise.
        algorithm: whose runs, as on the command line.
        metric: what their scores are, SCORE or RETURN.

    Raises:
        InvalidFileError: neither a scored run nor a stopped one is there.
    """
    tasks, variants = tuple(tasks), tuple(variants)
    runs = find_runs(folder, algorithm, tasks, variants, metric)
    stopped = [run for run in runs if run.ending is Ending.STOPPED]
    scored: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.scored:
            scored.setdefault((run.task, run.variant), []).append(run)
    if not scored and not stopped:
        known = tasks[-1] if len(tasks) == 1 or algorithm != ALGORITHM else "maze2d-umaze-v1"
        command = train_command(known, MAIN, algorithm=algorithm, out=folder)
        which = "scored" if metric == SCORE else "evaluated"
        raise InvalidFileError(f"no {which} run of the paper's datasets below {folder}. `{command}` makes one.")
    places = [(task, variant) for task in tasks for variant in variants if (task, variant) in scored]
    return [Cell(task=task, variant=variant, runs=tuple(scored[task, variant])) for task, variant in places], stopped


def step_range(runs: Iterable[Run]) -> str:
    """The gradient steps of runs: "1,000,000", or "30,000 to 40,000 (scaled)", none for exact ones, or unknown."""
    runs = list(runs)
    if runs and all(run.exact for run in runs):
        return "none"
    found = [run.steps for run in runs if run.steps is not None]
    if not found:
        return UNKNOWN
    low, high = f"{min(found):,}", f"{max(found):,}"
    scaled = " (scaled)" if any(run.scaled for run in runs) else ""
    return (low if low == high else f"{low} to {high}") + scaled


def provenance(runs: Iterable[Run], found: Iterable[Run] = (), *, lines: bool = True) -> str:
    """What `origin` says of runs whose seeds are taken together, and in what these are unlike each other.

    Args:
        runs: those that are drawn.
        found: all that would have been if nothing had stopped them.
        lines: whether means over seeds are drawn by epoch.
    """
    runs = list(runs)
    return " ".join([origin(runs, found), *lengths(runs, lines=lines), *mixtures(runs)])


def origin(runs: Iterable[Run], found: Iterable[Run] = ()) -> str:
    """Seeds, data, steps, device and commit in one sentence, and what `endings` says; see `provenance`."""
    runs = list(runs)
    said = (
        f"Seeds: {distinct(str(run.seed) for run in runs)}; data: {distinct(run.data for run in runs)}; "
        f"gradient steps: {step_range(runs)}; "
        f"device: {distinct(run.device for run in runs)}; commit: {distinct(run.commit for run in runs)}."
    )
    return " ".join([said, *endings(runs, found)])


def lengths(runs: Iterable[Run], *, lines: bool = True) -> list[str]:
    """Of which methods the seeds have come to different epochs, and what their lines are then, in a sentence."""
    uneven = [there for there in _methods(runs) if len({run.epochs for run in there}) > 1]
    shown = "; ".join(f"{named(there)} ({distinct(f'{run.epochs:,}' for run in there)} epochs)" for there in uneven)
    meaning = " (lines: means of the seeds that go so far)" if lines else ""
    return [f"Of different lengths{meaning}: {shown}."] if shown else []


def mixtures(runs: Iterable[Run]) -> list[str]:
    """Which methods' seeds have other settings than their length that differ, in a sentence; a warning names each."""
    mixed = []
    for there in _methods(runs):
        if keys := [key for key in differing_keys(there) if key not in LENGTH]:
            more = [f"{len(keys) - _SHOWN_KEYS} more"] if len(keys) > _SHOWN_KEYS else []
            mixed.append(f"{named(there)} ({', '.join([*keys[:_SHOWN_KEYS], *more])})")
            _logger.warning("seeds of different settings are taken together: %s. %s", mixed[-1], _APART)
    return [f"Seeds of different settings taken together: {'; '.join(mixed)}."] if mixed else []


def _methods(runs: Iterable[Run]) -> list[list[Run]]:
    """The seeds of each task and method."""
    methods: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        methods.setdefault((run.task, run.algorithm, run.label), []).append(run)
    return list(methods.values())


def endings(runs: Iterable[Run], found: Iterable[Run]) -> list[str]:
    """Which runs are drawn although they are not finished, and which are not drawn: a sentence for each reason."""
    runs = list(runs)
    drawn = {run.path for run in runs}
    others = [run for run in found if run.path not in drawn]
    reasons = {
        "Unfinished": [run for run in runs if run.ending is Ending.UNFINISHED],
        "Stopped, not drawn": [run for run in others if run.ending is Ending.STOPPED],
        "Not evaluated yet, not drawn": [
            run for run in others if run.ending is Ending.UNFINISHED and not run.score.size
        ],
    }
    return [f"{reason}: {named(there)}." for reason, there in reasons.items() if there]


def averaged(runs: Iterable[Run]) -> str:
    """How many evaluations the mean of a seed's last ones is of: "10", or "5 to 10" where seeds differ.

    Args:
        runs: at least one, each with an evaluation.
    """
    counts = [min(run.score.size, SCORE_WINDOW) for run in runs]
    low, high = min(counts), max(counts)
    return f"{high}" if low == high else f"{low} to {high}"


def not_drawn(names: Iterable[str], room: str) -> str:
    """What finds no room in a picture, and how to see it, in a sentence; empty if all does.

    Args:
        names: of what is left out.
        room: what there is room for: "4 methods".
    """
    listed = ", ".join(names)
    how = "--runs with a folder that holds only some of the runs draws those."
    return f"Not drawn, beyond {room}: {listed}. {how}" if listed else ""


def named(runs: Iterable[Run]) -> str:
    """Runs by task and method: "hopper-medium-v2 mopo main seed 0, 1; ..."."""
    seeds: dict[str, list[str]] = {}
    for run in runs:
        seeds.setdefault(f"{run.task} {run.algorithm} {run.label}", []).append(str(run.seed))
    return "; ".join(f"{method} seed {distinct(there)}" for method, there in seeds.items())


def with_spread(mean: float, std: float | None, form: str = ".1f") -> str:
    """The two as text: "55.8 ± 3.9"; without the second where there is none."""
    return f"{mean:{form}}" if std is None else f"{mean:{form}} ± {std:{form}}"


def score_text(cell: Cell | None) -> str:
    """The mean over seeds and its spread; empty without runs."""
    return "" if cell is None else with_spread(*over_seeds(cell.scores))


def last_score_text(cell: Cell | None) -> str:
    """Likewise of the last evaluation alone."""
    return "" if cell is None else with_spread(*over_seeds(cell.last_scores))


def score_values(cell: Cell | None) -> dict[str, Value]:
    """The same as plain values, with the circumstances; None without runs."""
    if cell is None:
        names = ("mean", "std", "last_evaluation_mean", "last_evaluation_std")
        return dict.fromkeys((*(f"ours_{name}" for name in names), "seeds", "steps", "data", "device", "commit"))
    recent, last = over_seeds(cell.scores), over_seeds(cell.last_scores)
    return {
        "ours_mean": recent.mean,
        "ours_std": recent.std,
        "ours_last_evaluation_mean": last.mean,
        "ours_last_evaluation_std": last.std,
        "seeds": cell.seeds,
        "steps": cell.steps,
        "data": cell.data,
        "device": cell.devices,
        "commit": cell.commits,
    }


def circumstance_notes(cells: Sequence[Cell], labels: Mapping[str, str]) -> list[str]:
    """Data, steps, seeds, device and commit of the runs of each dataset, a sentence each, and what `mixtures` says.

    Args:
        cells: of any datasets and variants.
        labels: what the variants are called.
    """
    notes = []
    for task in dict.fromkeys(cell.task for cell in cells):
        there = [cell for cell in cells if cell.task == task]
        runs = [run for cell in there for run in cell.runs]
        seeds = "; ".join(f"{labels[cell.variant]}: {cell.seeds}" for cell in there)
        notes.append(
            f"{task}: data {distinct(run.data for run in runs)}; steps {distinct(cell.steps for cell in there)}; "
            f"seeds of {seeds}; device {distinct(run.device for run in runs)}; "
            f"commit {distinct(run.commit for run in runs)}."
        )
    return notes + mixtures(run for cell in cells for run in cell.runs)


def distinct(values: Iterable[str]) -> str:
    """The different values in the order they come, joined."""
    return ", ".join(dict.fromkeys(values))


def window_note(metric: str = SCORE) -> str:
    """One sentence on what a score, or a return, is."""
    what, unit = (
        ("score", "normalized to 0-100") if metric == SCORE else ("return of ours", "undiscounted and not normalized")
    )
    return f"A {what} is the mean of a seed's last {SCORE_WINDOW} evaluations (all, if it has fewer), {unit}."


def stopped_notes(stopped: Iterable[Run]) -> list[str]:
    """A sentence for each seed that stopped."""
    return [f"{run.task}, {run.variant}, seed {run.seed} stopped and is not counted: {run.message}" for run in stopped]
