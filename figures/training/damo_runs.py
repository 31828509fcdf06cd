"""Runs of DAMO as its figures see them: what its variants are called, and values beside true discounted returns.

`certificate/value_estimate` and `evaluation/discounted_return_mean` belong to the same starts, those of an evaluation's
episodes. Where the truth is known, `truth/discounted_return` takes the latter's place: critics value paths that never
end, and 0.99^100 of such a path lies beyond an episode of 100 steps. Runs of older versions recorded none of them: they
have no values here.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import read_json
from ampl.runs.metrics_table import Curve, read_curve
from figures.drawing.style import BLUE, GRAY, GREEN, OLIVE, ORANGE, PURPLE, SKY, WINE
from figures.inputs.names import MAIN, train_command
from figures.inputs.records import Numbers
from figures.inputs.runs import Ending, Run, find_runs
from figures.inputs.scores import Cell, circumstance_notes, lengths

logger = logging.getLogger(__name__)

ALGORITHM = "damo"
VALUE = "certificate/value_estimate"  # the critics', in reward units, discounted
TRUTH = "evaluation/discounted_return_mean"  # of the policy's best actions in the simulator, likewise
WHOLE_TRUTH = "truth/discounted_return"  # of paths that are not cut after an episode's length, from any start
SAMPLE_TASK = "hopper-medium-expert-v2"  # the paper's example, where nothing was run

LABELS: Mapping[str, str] = {
    MAIN: "DAMO",
    "no-er": "w/o er",
    "no-ir": "w/o ir",
    "inconsistent": "inconsistent actor",
    "unstabilized": "w/o fixing",
    "fixed-alpha": "alpha fixed in the actor",
    "exact-critic": "critic as in Eq. 2",
    "episode-starts": "starts of episodes",
}
COLORS: Mapping[str, str] = {
    MAIN: BLUE,
    "no-er": ORANGE,
    "no-ir": GREEN,
    "inconsistent": PURPLE,
    "unstabilized": GRAY,
    "fixed-alpha": WINE,
    "exact-critic": SKY,
    "episode-starts": OLIVE,
}
ABLATIONS = ("no-er", "no-ir", "inconsistent", "unstabilized")
"""The variants that leave something out; the others read the paper differently."""

_SHOWN_STOPPED = 3  # stopped seeds that are named


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One run that counts, with what it promised and what it earned.

    Attributes:
        run: it, with its scores, 0-100.
        epochs: [M] those that both were measured at; none where the run does not record both.
        value: [M] the critics' value of the starts, in reward units.
        truth: [M] discounted return, likewise: the whole one where it is known, otherwise from the starts in the
            simulator.
        endless: whether it is the whole one.
    """

    run: Run
    epochs: NDArray[np.int64]
    value: Numbers
    truth: Numbers
    endless: bool

    @property
    def has_values(self) -> bool:
        """Whether it records both."""
        return self.value.size > 0

    def curve(self, values: Numbers) -> Curve:
        """`value` or `truth` with its epochs."""
        return Curve(self.epochs, values)


def find_seeds(folder: Path, variants: Collection[str], tasks: Collection[str] | None = None) -> list[Seed]:
    """The runs of DAMO that have a score or a value, in the order task, variant, seed.

    Args:
        folder: folder of all runs; it may be missing.
        variants: only these.
        tasks: only these; None: all.

    Raises:
        InvalidFileError: there is none.
    """
    runs = [run for run in find_runs(folder, ALGORITHM, tasks, variants) if run.counts]
    seeds = [seed for seed in map(read_seed, runs) if seed.run.scored or seed.has_values]
    if not seeds:
        raise InvalidFileError(f"no scored run of DAMO below {folder}. {how_to_make(folder)} makes one.")
    return seeds


def read_seed(run: Run) -> Seed:
    """What a run promised and earned; nothing, with a line of warning, where that is not finite."""
    value, truth, whole = (read_curve(run.path / "metrics.csv", name) for name in (VALUE, TRUTH, WHOLE_TRUTH))
    truth = whole if whole.values.size else truth
    epochs, of_value, of_truth = np.intersect1d(value.epochs, truth.epochs, assume_unique=True, return_indices=True)
    if not (np.isfinite(value.values).all() and np.isfinite(truth.values).all()):
        logger.warning("%s: its values are left out: '%s' or '%s' is not finite.", run.path, VALUE, TRUTH)
        epochs, of_value, of_truth = epochs[:0], of_value[:0], of_truth[:0]
    return Seed(
        run=run,
        epochs=epochs,
        value=value.values[of_value],
        truth=truth.values[of_truth],
        endless=whole.values.size > 0,
    )


def earned(seeds: Iterable[Seed]) -> str:
    """Where the true returns of seeds were earned: in the simulator, or where the whole truth is known."""
    endless = {seed.endless for seed in seeds if seed.has_values}
    if endless == {True}:
        return "earned on endless paths"
    return "earned in the simulator" + ("; on lqr tasks, on endless paths" if True in endless else "")


def read_alpha(run: Run) -> float:
    """The coefficient alpha of a run's configuration, > 0.  Raises InvalidFileError."""
    path = run.path / "config.json"
    found = read_json(path, "Expected a file of a run.")
    for name in ("settings", "learner", "alpha"):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, (int, float)) or isinstance(found, bool) or not (math.isfinite(found) and found > 0.0):
        raise InvalidFileError(f"{path}: settings.learner.alpha is {found!r}; expected a number > 0.")
    return float(found)


def how_to_make(folder: Path, task: str = SAMPLE_TASK, variant: str = MAIN) -> str:
    """The command that makes a run, in backquotes."""
    return f"`{train_command(task, variant, algorithm=ALGORITHM, out=folder)}`"


def grouped(seeds: Iterable[Seed]) -> dict[tuple[str, str], list[Seed]]:
    """The seeds by task and variant, in their order."""
    found: dict[tuple[str, str], list[Seed]] = {}
    for seed in seeds:
        found.setdefault((seed.run.task, seed.run.variant), []).append(seed)
    return found


def most_complete_tasks(places: Iterable[tuple[str, str]], most: int) -> list[str]:
    """Up to `most` tasks, those with the most variants first, then by name."""
    counts: dict[str, int] = {}
    for task, _ in places:
        counts[task] = counts.get(task, 0) + 1
    return sorted(counts, key=lambda task: (-counts[task], task))[:most]


def origin(seeds: Sequence[Seed], labels: Mapping[str, str]) -> tuple[str, str]:
    """How many seeds record no values (empty if all do); and data, steps, seeds, device and commit by task."""
    cells = [
        Cell(task=task, variant=variant, runs=tuple(seed.run for seed in there))
        for (task, variant), there in grouped(seeds).items()
    ]
    without = sum(not seed.has_values for seed in seeds)
    missing = f"{without} of {len(seeds)} runs recorded no value beside the true return: no line there."
    return missing if without else "", " ".join(
        [*circumstance_notes(cells, labels), *lengths(seed.run for seed in seeds)]
    )


def stopped_line(folder: Path, variants: Collection[str], tasks: Collection[str]) -> str:
    """Which seeds stopped, in a sentence; empty if none did."""
    runs = [run for run in find_runs(folder, ALGORITHM, tasks, variants) if run.ending is Ending.STOPPED]
    names = [f"{run.task} {run.variant} seed {run.seed}" for run in runs]
    more = [f"{len(names) - _SHOWN_STOPPED} more"] if len(names) > _SHOWN_STOPPED else []
    return f"Stopped, not counted: {', '.join(names[:_SHOWN_STOPPED] + more)}." if names else ""
