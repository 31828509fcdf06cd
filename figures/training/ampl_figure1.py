"""Figure `figure1`: the ablations by domain, our scores beside the paper's.

Source: AMPL, Figure 1 and appendix Table 2. A bar of ours is the mean over those datasets of the domain that have runs;
the paper's covers all of them, and a mark shows its mean over the same datasets as ours. Where nothing was run, there
is no bar of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures.drawing.style import BLACK, GRAY, headline, new_figure, panel_title
from figures.inputs.names import MAIN
from figures.inputs.paper_results import DOMAIN_MEANS, DOMAINS, FIGURE_1, VARIANTS
from figures.inputs.runs import SCORE_WINDOW, Run
from figures.inputs.scores import Cell, distinct, endings, mixtures, read_scores, step_range
from figures.training.variants import COLORS, LABELS

_HEIGHT = 0.4  # of a bar; variants are 1 apart
_OURS, _PAPER = -0.2, 0.2  # where the two bars of a variant are; the axis points down


def draw(folder: Path) -> Figure:
    """Draws the runs below `folder`.  Raises InvalidFileError if none of them has a score."""
    cells, stopped = read_scores(folder, FIGURE_1, VARIANTS)
    figure = new_figure(10.8, 5.8)
    grid = figure.subplots(1, len(DOMAINS), sharey=True)
    for axes, (domain, tasks) in zip(grid, DOMAINS.items(), strict=True):
        _draw_domain(axes, domain, tasks, [cell for cell in cells if cell.task in tasks])
    grid[0].set_yticks(range(len(VARIANTS)), [LABELS[variant] for variant in VARIANTS])
    grid[0].set_ylim(len(VARIANTS) - 0.4, -0.6)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4, fontsize=9.5)
    headline(figure, _finding(cells), f"Ours: mean of the last {SCORE_WINDOW} evaluations.", _detail(cells, stopped))
    return figure


def _draw_domain(axes: Axes, domain: str, tasks: Sequence[str], cells: Sequence[Cell]) -> None:
    """One domain: a pair of bars a variant, ours above the paper's."""
    panel_title(axes, domain, (f"{len(tasks)} datasets", GRAY))
    for place, (variant, paper) in enumerate(zip(VARIANTS, DOMAIN_MEANS[domain], strict=True)):
        color = COLORS[variant]
        axes.barh(place + _PAPER, paper, _HEIGHT, color=color, alpha=0.3, hatch="////", edgecolor="white")
        found = [cell for cell in cells if cell.variant == variant]
        if found:
            axes.barh(place + _OURS, np.mean([cell.scores.mean() for cell in found]), _HEIGHT, color=color)
            seeds = _seed_means(found)
            axes.plot(seeds, [place + _OURS] * len(seeds), linestyle="", marker="o", markersize=4.5, color="white",
                      markeredgecolor=BLACK, markeredgewidth=0.9, zorder=3)  # fmt: skip
            same = np.mean([FIGURE_1[cell.task][variant] for cell in found])
            axes.vlines(same, place, place + _HEIGHT, color=BLACK, linewidth=1.8, zorder=3)
        note = f"n = {len(found)}" if found else "no run"
        axes.annotate(note, (1.0, place + _OURS), (4, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="center", fontsize=8.5, color=GRAY)  # fmt: skip
    axes.axvline(0.0, color=GRAY, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("normalized score (0-100)")


def _seed_means(cells: Sequence[Cell]) -> list[float]:
    """The mean over the datasets for each seed that ran on all of them."""
    by_seed: dict[int, list[float]] = {}
    for cell in cells:
        for run in cell.runs:
            by_seed.setdefault(run.seed, []).append(run.recent_score)
    return [float(np.mean(scores)) for scores in by_seed.values() if len(scores) == len(cells)]


def _legend() -> list[Patch | Line2D]:
    return [
        Patch(color=GRAY, label="ours: mean over the n datasets with runs"),
        Line2D([], [], linestyle="", marker="o", markersize=4.5, color="white", markeredgecolor=BLACK,
               label="ours, one seed on all n"),
        Patch(facecolor=GRAY, alpha=0.3, hatch="////", edgecolor="white", label="paper: all datasets"),
        Line2D([], [], linestyle="", marker="|", markersize=11, markeredgewidth=1.8, color=BLACK,
               label="paper: the same n"),
    ]  # fmt: skip


def _finding(cells: Sequence[Cell]) -> str:
    """Against how many ablations the complete algorithm wins, on the datasets that both have."""
    means: Mapping[tuple[str, str], float] = {(cell.task, cell.variant): float(cell.scores.mean()) for cell in cells}
    pairs = [(means[task, MAIN], mean) for (task, variant), mean in means.items()
             if variant != MAIN and (task, MAIN) in means]  # fmt: skip
    if not pairs:
        return f"Ablations: runs of ours in {len(cells)} of {len(FIGURE_1) * len(VARIANTS)} cells, none to compare"
    wins = sum(main > other for main, other in pairs)
    return f"Main scores above its ablations in {wins} of {len(pairs)} comparisons on the same dataset"


def _detail(cells: Sequence[Cell], stopped: Sequence[Run]) -> str:
    """Where our bars come from."""
    runs = [run for cell in cells for run in cell.runs]
    origin = (
        f"Ours: {len(runs)} seeds of {len(cells)} cells; data: {distinct(run.data for run in runs) or 'none'}; "
        f"gradient steps: {step_range(runs)}; device: {distinct(run.device for run in runs) or 'none'}; "
        f"commit: {distinct(run.commit for run in runs) or 'none'}."
    )
    return " ".join([origin, *endings(runs, stopped), *mixtures(runs)])
