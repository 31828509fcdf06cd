"""Figure `damo-training`: scores and value estimates of DAMO and its ablations, epoch by epoch. One column a task.

Source: DAMO, Figure 4. From above: normalized score; the critics' value of the evaluation's starts, which they claim;
the discounted return that the policy earns, from these starts in the simulator or, on lqr tasks, on paths without end.
Scores below -100 lie outside their panels, and so do far lower returns of the first policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from figures.drawing.seed_curves import (
    LOW_RETURNS,
    draw_seeds,
    fold_far_values,
    leave_out_low_returns,
    leave_out_low_scores,
)
from figures.drawing.style import GRAY, MOST_LINES, headline, new_figure, panel_title, series_line
from figures.inputs.names import MAIN
from figures.inputs.runs import SCORE_WINDOW, recent
from figures.training.damo_runs import (
    ABLATIONS,
    COLORS,
    LABELS,
    Seed,
    earned,
    find_seeds,
    grouped,
    most_complete_tasks,
    origin,
    stopped_line,
)

_MOST_TASKS = 4

Places = Mapping[tuple[str, str], Sequence[Seed]]


def draw(folder: Path) -> Figure:
    """Draws DAMO's runs below `folder`, of four tasks.  Raises InvalidFileError if there are none."""
    everything = find_seeds(folder, LABELS)
    all_places = grouped(everything)
    tasks = most_complete_tasks(all_places, _MOST_TASKS)
    seeds = [seed for task in tasks for seed in everything if seed.run.task == task]
    places = grouped(seeds)
    known = [variant for variant in LABELS if any(variant == name for _, name in places)]
    drawn, others = known[:MOST_LINES], known[MOST_LINES:]
    lines = {variant: series_line(index) for index, variant in enumerate(drawn)}
    figure = new_figure(max(8.6, 4.4 * len(tasks)), 10.4)
    grid = figure.subplots(3, len(tasks), squeeze=False, sharex="col")
    for column, task in enumerate(tasks):
        there = {variant: places[task, variant] for variant in drawn if (task, variant) in places}
        _draw_scores(grid[0, column], task, there, lines)
        _draw_values(grid[1, column], grid[2, column], there, lines)
        grid[2, column].set_xlabel("epoch")
    for axes, quantity in zip(
        grid[:, 0], ("normalized score\n(0-100)", *["discounted value\n(reward units)"] * 2), strict=True
    ):
        axes.set_ylabel(quantity)
    figure.legend(handles=_legend(lines), loc="outside lower center", ncols=4, columnspacing=1.6)
    more = len({task for task, _ in all_places}) - len(tasks)
    left_out = [f"{more} more tasks with runs are not drawn."] if more else []
    left_out += (
        [f"Not drawn, beyond {MOST_LINES} variants: {', '.join(LABELS[name] for name in others)}."] if others else []
    )
    headline(
        figure,
        _finding(places),
        "Means over seeds; bands: lowest to highest seed.",
        *left_out,
        stopped_line(folder, LABELS, tasks),
        *origin(seeds, LABELS),
    )
    return figure


def _draw_scores(
    axes: Axes, task: str, there: Mapping[str, Sequence[Seed]], lines: Mapping[str, LineStyleType]
) -> None:
    scores = {variant: [seed.run.curve for seed in seeds if seed.run.scored] for variant, seeds in there.items()}
    for variant, curves in scores.items():
        if curves:
            draw_seeds(axes, curves, COLORS[variant], line=lines[variant])
    leave_out_low_scores(axes)
    means = {
        variant: np.mean([recent(curve.values) for curve in curves]) for variant, curves in scores.items() if curves
    }
    notes = [("no scores recorded", GRAY)]
    if means:
        best = max(means, key=lambda variant: means[variant])
        notes = [(f"highest at the end: {LABELS[best]}, {means[best]:.1f}", COLORS[best])]
    panel_title(axes, task, *notes)


def _draw_values(
    claimed: Axes, true: Axes, there: Mapping[str, Sequence[Seed]], lines: Mapping[str, LineStyleType]
) -> None:
    found = {variant: [seed for seed in seeds if seed.has_values] for variant, seeds in there.items()}
    found = {variant: seeds for variant, seeds in found.items() if seeds}
    for variant, seeds in found.items():
        for axes, name in ((claimed, "value"), (true, "truth")):
            curves = [seed.curve(getattr(seed, name)) for seed in seeds]
            draw_seeds(axes, curves, COLORS[variant], line=lines[variant])
    every = [seed for seeds in found.values() for seed in seeds]
    folded = fold_far_values(claimed, [seed.value for seed in every], [seed.truth for seed in every])
    notes = [("no values recorded", GRAY)]
    if MAIN in found:
        value, truth = (_mean(found[MAIN], name) for name in ("value", "truth"))
        notes = [(f"DAMO at the end: claims {value:.3g}, earns {truth:.3g}", COLORS[MAIN])]
    elif found:
        notes = [("no values of DAMO itself", GRAY)]
    if folded:
        notes.append(("logarithmic beyond the largest true return", GRAY))
    panel_title(claimed, "Claimed by the critics", *notes)
    panel_title(true, earned(every).capitalize(), *([(LOW_RETURNS, GRAY)] if leave_out_low_returns(true) else []))
    if not found:
        claimed.set_axis_off()
        true.remove()


def _mean(seeds: Sequence[Seed], name: str) -> float:
    """Mean over seeds of the last measurements of `value` or `truth`."""
    return float(np.mean([recent(getattr(seed, name)) for seed in seeds]))


def _legend(lines: Mapping[str, LineStyleType]) -> list[Line2D]:
    return [
        Line2D([], [], color=COLORS[variant], linestyle=line, label=LABELS[variant]) for variant, line in lines.items()
    ]


def _finding(places: Places) -> str:
    """Over how many ablations DAMO scores higher, and whose values exceed what is earned."""
    scores = {
        place: float(np.mean(values))
        for place, seeds in places.items()
        if (values := [seed.run.recent_score for seed in seeds if seed.run.scored])
    }
    pairs = [(scores[task, MAIN], score) for (task, variant), score in scores.items()
             if variant in ABLATIONS and (task, MAIN) in scores]  # fmt: skip
    finding = "DAMO has no ablation to be compared with"
    if pairs:
        finding = f"DAMO scores above its ablations in {sum(one > other for one, other in pairs)} of {len(pairs)} cases"
    valued = [kept for seeds in places.values() if (kept := [seed for seed in seeds if seed.has_values])]
    if not valued:
        return f"{finding} (last {SCORE_WINDOW} evaluations)"
    over = sum(_mean(seeds, "value") > _mean(seeds, "truth") for seeds in valued)
    return f"{finding}; critics claim too much in {over} of {len(valued)}"
