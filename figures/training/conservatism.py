"""Figure `conservatism-deep`: what deep critics promise against what the policy earns, one row a method and task.

The gap is `certificate/value_estimate` less the true discounted return (`figures.training.damo_runs`), divided by the
magnitude of the latter: below zero the promise is a lower bound. A point is a seed's mean over its last evaluations.
Seeds whose true return is zero have no such gap: a note names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from ampl.errors import InvalidFileError
from figures.drawing.style import BLUE, ORANGE, headline, literal, new_figure
from figures.inputs.names import MAIN, train_command
from figures.inputs.published import METHOD_NAMES
from figures.inputs.records import Numbers
from figures.inputs.runs import SCORE_WINDOW, Run, find_all_runs, recent
from figures.inputs.scores import named, provenance
from figures.training.damo_runs import Seed, read_seed

_MOST = 40  # rows
_LINEAR = 1.0  # of the true return: up to there the axis is linear
_LARGEST = 1e12  # value in true returns; what is larger says that the return is zero
_SOFT = ("algaedice", "damo", "mopo", "morel", "rambo")  # whose Bellman targets have an entropy
_EXAMPLE = "hopper-medium-v2"


def draw(folder: Path) -> Figure:
    """Draws the runs below a folder that recorded both.

    Raises:
        InvalidFileError: there is none, or none with a true return other than zero.
    """
    found = find_all_runs(folder)
    valued = [seed for run in found if run.counts and (seed := read_seed(run)).has_values]
    seeds = [seed for seed in valued if _has_relative_gap(seed)]
    zero = named(seed.run for seed in valued if not _has_relative_gap(seed))
    vanishing = f"True return of zero beside the value, no relative gap, not drawn: {zero}." if zero else ""
    if not seeds:
        command = train_command(_EXAMPLE, MAIN, algorithm="cql", out=folder)
        wanted = f"no run with a value and a true return other than zero below {folder}. `{command}` makes one."
        raise InvalidFileError(" ".join(filter(None, (wanted, vanishing))))
    every = sorted({_row(seed.run) for seed in seeds})
    rows = every[:_MOST]
    seeds = [seed for seed in seeds if _row(seed.run) in rows]
    gaps = np.array([_relative_gap(seed) for seed in seeds])
    places = np.array([rows.index(_row(seed.run)) for seed in seeds])
    figure = new_figure(9.0, 2.2 + 0.3 * len(rows))
    axes = figure.subplots()
    axes.axvline(0.0, color="#555555", linewidth=0.9)
    for color, marker, shown in ((BLUE, "o", gaps <= 0.0), (ORANGE, "s", gaps > 0.0)):
        axes.plot(gaps[shown], places[shown], color=color, marker=marker, linestyle="", markersize=6, alpha=0.8)
    axes.set_xscale("symlog", linthresh=_LINEAR)
    low, high = min(1.6 * float(gaps.min()), -_LINEAR), max(1.6 * float(gaps.max()), _LINEAR)
    axes.set_xlim(low, high)
    decades = [10.0**power for power in range(7) if 10.0**power <= max(-low, high)]
    axes.xaxis.set_major_locator(FixedLocator([0.0, *decades, *(-step for step in decades)]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(rows)), [literal(" ".join(row)) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("(value estimate - true discounted return) / |true return|")
    handles = [
        Line2D([], [], color=BLUE, marker="o", linestyle="", label="a seed below the truth"),
        Line2D([], [], color=ORANGE, marker="s", linestyle="", label="a seed above it"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    finding = f"{int((gaps <= 0.0).sum())} of {len(gaps)} deep critics promise at most what their policy earns"
    left_out = f"Rows left out, the last by name: {len(every) - len(rows)}." if len(every) > len(rows) else ""
    subtitle = "Means over each seed's last evaluations; returns are of the same starts, on lqr tasks of endless paths."
    notes = (
        _approaching(seeds, gaps),
        _entropy(seeds),
        left_out,
        vanishing,
        _largest(seeds, gaps),
        provenance([seed.run for seed in seeds], found, lines=False),
    )
    headline(figure, finding, subtitle, *notes)
    return figure


def _row(run: Run) -> tuple[str, str, str]:
    return run.algorithm, run.label, run.task


def _relative_gap(seed: Seed) -> float:
    truth = recent(seed.truth)
    return (recent(seed.value) - truth) / abs(truth)


def _has_relative_gap(seed: Seed) -> bool:
    """Whether the true return is large enough to divide by."""
    truth = abs(recent(seed.truth))
    return truth > 0.0 and abs(recent(seed.value)) <= _LARGEST * truth


def _approaching(seeds: Sequence[Seed], gaps: Numbers) -> str:
    """How many values still come nearer to the truth, from below or above, in a sentence; empty if none does.

    Longer training may change what these promise.
    """
    moves = np.array([_move(seed.value[-SCORE_WINDOW:]) for seed in seeds])
    below = gaps <= 0.0
    rising, falling = int((moves[below] > 0.0).sum()), int((moves[~below] < 0.0).sum())
    if not rising + falling:
        return ""
    counts = f"{rising} of the {below.sum()} below it rise, {falling} of the {(~below).sum()} above it fall"
    return f"Values that still move toward the truth within those evaluations: {counts}."


def _move(values: Numbers) -> float:
    """By how much the later half of values is above the earlier one on average; zero for a single value."""
    half = len(values) // 2
    return float(values[-half:].mean() - values[:half].mean()) if half else 0.0


def _entropy(seeds: Sequence[Seed]) -> str:
    """Whose values are not of rewards alone, in a sentence; empty if nobody's."""
    soft = sorted({METHOD_NAMES[seed.run.algorithm] for seed in seeds if seed.run.algorithm in _SOFT})
    return f"These methods' values include the entropy that training pays for: {', '.join(soft)}." if soft else ""


def _largest(seeds: Sequence[Seed], gaps: Numbers) -> str:
    """The seed that promises the most too much, in a sentence; empty if none does."""
    worst = int(gaps.argmax())
    if gaps[worst] <= 0.0:
        return ""
    name = f"{' '.join(_row(seeds[worst].run))} seed {seeds[worst].run.seed}"
    value, truth = recent(seeds[worst].value), recent(seeds[worst].truth)
    return f"The most too much: {value:,.3g} for {truth:,.3g} ({name})."
