"""Figure `figure2`: log of the estimated weights of the whole dataset at each retraining, four estimators.

Source: AMPL, Figure 2 (walker2d-medium-replay). One violin a retraining, dashed lines at the quartiles, and a scale of
its own for each panel: the point of the figure is how different the scales are. Where a run has only the summaries of
its weights, these are drawn, and look the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill, wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError
from ampl.printing import printable
from figures.drawing.style import BLACK, GRAY, VERMILLION, WINE, headline, new_figure, panel_title
from figures.drawing.violins import Distribution, distribution, draw_violins, set_scale
from figures.inputs.names import ALGORITHM, MAIN, train_command
from figures.inputs.paper_results import FIGURE_2, FIGURE_2_EPOCHS, FIGURE_2_TASK, Quartiles
from figures.inputs.runs import UNKNOWN, Ending, Run, find_runs
from figures.inputs.scores import distinct, endings
from figures.inputs.weights import read_summary
from figures.training.variants import COLORS, ESTIMATORS, LABELS

logger = logging.getLogger(__name__)

_NOTE_WIDTH = 54  # letters of a line above a panel
_PAPER_OFFSET = 0.44  # the paper's marks stand this far right of our violins


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which runs to draw.

    Attributes:
        task: dataset; None: the paper's if it has runs, otherwise the only one that has.
        seed: None: the lowest of those that the most estimators have.
        paper: whether to draw the paper's quartiles beside ours.
    """

    task: str | None = None
    seed: int | None = None
    paper: bool = False


def draw(folder: Path, selection: Selection) -> Figure:
    """Draws the runs below `folder`.

    Raises:
        InvalidFileError: no run there has weights.
        UnknownNameError: the task asked for has none.
        InvalidArgumentError: it is not clear which task, or the seed has no run, or the paper shows another task.
    """
    runs = find_runs(folder, ALGORITHM, variants=ESTIMATORS)
    weighted = [run for run in runs if run.epochs and run.summarized()]
    task = _choose_task(folder, weighted, selection)
    seed = _choose_seed([run for run in weighted if run.task == task], task, selection)
    chosen = {run.variant: run for run in runs if (run.task, run.seed) == (task, seed)}
    violins = {variant: _violins(run) for variant, run in chosen.items() if run.counts}
    figure = new_figure(10.8, 8.0)
    grid = figure.subplots(2, 2)
    for axes, variant in zip(grid.flat, ESTIMATORS, strict=True):
        paper = FIGURE_2[variant] if selection.paper else ()
        panel_title(axes, LABELS[variant], *_notes(chosen.get(variant), task, seed, variant, violins.get(variant, {})))
        _draw_panel(axes, variant, chosen.get(variant), violins.get(variant, {}), paper)
    for row in grid:
        for axes in [axes for axes in row if axes.axison][:1]:
            axes.set_ylabel("log w   (w of mean one; nats)")
    if selection.paper:
        first, second, *_, last = FIGURE_2_EPOCHS
        label = "paper, seed 2: first quartile, median, third quartile; thin line: drawn extent\n"
        label += f"(by order; the paper's after {first}, {second}, ..., {last} epochs)"
        handle = Line2D([], [], color=WINE, linewidth=4.0, label=label)
        figure.legend(handles=[handle], loc="outside lower left", fontsize=9.5)
    reading = "Dashed: quartiles of all transitions. Every panel has its own scale."
    headline(figure, _finding(violins), reading, _detail(task, seed, [chosen[v] for v in ESTIMATORS if v in violins]))
    return figure


def _choose_task(folder: Path, runs: Sequence[Run], selection: Selection) -> str:
    tasks = sorted({run.task for run in runs})
    if not tasks:
        command = train_command(selection.task or FIGURE_2_TASK, MAIN, out=folder)
        raise InvalidFileError(
            f"no run below {folder} has weights of VPM, GenDICE, DualDICE or main, or their summaries, in its folder "
            f"weights. `{command}` makes one."
        )
    task = selection.task or (FIGURE_2_TASK if FIGURE_2_TASK in tasks else tasks[0])
    if task not in tasks:
        raise UnknownNameError("task among the runs with weights", task, tasks)
    if selection.task is None and task != FIGURE_2_TASK and len(tasks) > 1:
        raise InvalidArgumentError(
            f"several tasks have runs with weights: {', '.join(tasks)}. Choose one: --task NAME."
        )
    if selection.paper and task != FIGURE_2_TASK:
        raise InvalidArgumentError(f"--paper: the paper's Figure 2 shows {FIGURE_2_TASK}, not {task}. Leave it out.")
    return task


def _choose_seed(runs: Sequence[Run], task: str, selection: Selection) -> int:
    counted = [run.seed for run in runs if run.counts] or [run.seed for run in runs]
    seed = min(counted, key=lambda each: (-counted.count(each), each)) if selection.seed is None else selection.seed
    if seed not in {run.seed for run in runs}:
        there = ", ".join(map(str, sorted(set(counted))))
        raise InvalidArgumentError(f"--seed is {seed}, but no run on {task} with weights has it; there are {there}.")
    return seed


def _violins(run: Run) -> dict[int, Distribution]:
    """The distribution of log w by the epochs trained before; a damaged snapshot is named and left out."""
    found = {}
    for epoch, path in run.summarized().items():
        try:
            found[epoch] = distribution(read_summary(path))
        except InvalidFileError as error:
            logger.warning("left out: %s", error)
    return found


def _notes(
    run: Run | None, task: str, seed: int, variant: str, violins: Mapping[int, Distribution]
) -> list[tuple[str, str]]:
    """What stands below a panel's name."""
    if run is None:
        command = train_command(task, variant, seed)
        return [(line, GRAY) for line in wrap(f"no run; {command} makes it", _NOTE_WIDTH, break_on_hyphens=False)]
    if run.ending is Ending.STOPPED:
        return [(f"seed {run.seed} stopped and is not drawn", VERMILLION)]
    if not violins:
        return [("the run has no weights that can be read", VERMILLION)]
    last = list(violins.values())[-1]
    if any(violin.excluded for violin in violins.values()):
        return [("numbers below the violins: share exactly zero, left out", VERMILLION)]
    if last.span < 1.0:
        text = f"last: w from {100 * np.expm1(last.low):+.2g} % to {100 * np.expm1(last.high):+.2g} % around its mean"
    else:
        text = f"last: log w between {last.low:.1f} and {last.high:.1f}"
    text = text.replace("-", "\N{MINUS SIGN}")
    return [(text, BLACK)]


def _draw_panel(
    axes: Axes, variant: str, run: Run | None, violins: Mapping[int, Distribution], paper: Sequence[Quartiles]
) -> None:
    """One estimator: our violins by retraining, and the paper's marks by their order."""
    draw_violins(axes, list(violins.values()), COLORS[variant])
    paper = paper[: len(violins)] if violins else paper
    for position, marks in enumerate(paper, start=1):
        _draw_paper(axes, position + _PAPER_OFFSET, marks)
    ends = [end for violin in violins.values() for end in (*violin.place[:1], *violin.place[-1:])]
    ends += [end for marks in paper for end in (marks.low, marks.high)]
    labels = list(violins) or list(range(1, len(paper) + 1))
    if not violins and not paper:
        why = "no run" if run is None else fill(printable(run.message), 44)
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GRAY, parse_math=False)
        axes.set(xticks=[], yticks=[])
        axes.set_axis_off()
        return
    set_scale(axes, labels, ends, room_below=any(violin.excluded for violin in violins.values()))
    axes.set_xlabel("epochs before the retraining" if violins else "retraining")
    if paper:
        axes.set_xlim(0.4, len(labels) + 0.75)


def _draw_paper(axes: Axes, position: float, marks: Quartiles) -> None:
    """The paper's violin as a thin line (extent), a thick one (quartiles) and a dot (median)."""
    axes.vlines(position, marks.low, marks.high, color=WINE, linewidth=0.9)
    axes.vlines(position, marks.first, marks.third, color=WINE, linewidth=3.6)
    axes.plot(position, marks.median, marker="o", markersize=5.0, color="white", markeredgecolor=WINE)


def _finding(violins: Mapping[str, Mapping[int, Distribution]]) -> str:
    """How wide the weights of each estimator are spread, in a sentence."""
    spans = {variant: float(np.median([v.span for v in found.values()])) for variant, found in violins.items() if found}
    if not spans:
        return "Estimated weights: no run to draw"
    parts = [f"{LABELS[variant]} {_nats(span)}" for variant, span in sorted(spans.items(), key=lambda pair: pair[1])]
    return f"Range of log w in nats, median over retrainings: {', '.join(parts)}"


def _nats(span: float) -> str:
    return f"{span:.2g}" if np.isfinite(span) else "∞"


def _detail(task: str, seed: int, runs: Sequence[Run]) -> str:
    """Where the violins come from."""
    if not runs:
        return f"{task}, seed {seed}."
    steps = distinct(UNKNOWN if run.steps is None else f"{run.steps:,}" for run in runs)
    weight_steps = distinct(UNKNOWN if run.weight_steps is None else f"{run.weight_steps:,}" for run in runs)
    scaled = ", schedule scaled down" if any(run.scaled for run in runs) else ""
    origin = (
        f"{task}, seed {seed}; data: {distinct(run.data for run in runs)}; "
        f"gradient steps: {steps}; of the weights at each retraining: {weight_steps}{scaled}; "
        f"device: {distinct(run.device for run in runs)}; commit: {distinct(run.commit for run in runs)}."
    )
    return " ".join([origin, *endings(runs, [])])
