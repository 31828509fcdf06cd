"""Figure `damo-alpha`: how scores and value estimates depend on DAMO's coefficient alpha. One row a task.

Source: DAMO, its study of sensitivity to alpha, whose own values are lost. Alpha is what a run's configuration says.
From left: the last evaluations' score by alpha, score by epoch, claimed and earned values by alpha, value by epoch.
Scores below -100 lie outside their panels; a line names the alphas that reach no more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from ampl.errors import InvalidFileError
from ampl.statistics import over_seeds
from figures.drawing.seed_curves import draw_seeds, fold_far_values, leave_out_low_scores
from figures.drawing.style import BLACK, BLUE, GRAY, LOWEST_SCORE, headline, new_figure, panel_title, series_line
from figures.inputs.names import MAIN
from figures.inputs.records import Numbers
from figures.inputs.runs import SCORE_WINDOW, recent
from figures.training.damo_runs import (
    Seed,
    earned,
    find_seeds,
    grouped,
    how_to_make,
    most_complete_tasks,
    origin,
    read_alpha,
    stopped_line,
)

_VARIANTS = ("alpha-0.1", "alpha-0.3", "alpha-1", "alpha-3", "alpha-10", MAIN)
_LABELS = {variant: variant for variant in _VARIANTS}
_MOST_TASKS = 3
_TICK_RATIO = 1.45  # of alphas that are both labeled

_Look: TypeAlias = tuple[tuple[float, float, float, float], LineStyleType]


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """The seeds of one task and variant, all with the same alpha, > 0, reward units per nat."""

    task: str
    variant: str
    alpha: float
    seeds: tuple[Seed, ...]

    @property
    def scores(self) -> Numbers:
        """[n] score at the end, of those seeds that have one."""
        return np.array([seed.run.recent_score for seed in self.seeds if seed.run.scored])

    def ends(self, name: str) -> Numbers:
        """[n] `value` or `truth` at the end, of those seeds that have them."""
        return np.array([recent(getattr(seed, name)) for seed in self.seeds if seed.has_values])


def draw(folder: Path) -> Figure:
    """Draws the runs of DAMO with different alphas below `folder`, of three tasks.

    Raises:
        InvalidFileError: there are none.
    """
    everything = _settings(find_seeds(folder, _VARIANTS))
    if not everything:
        raise InvalidFileError(f"no run of DAMO below {folder} says its alpha. {how_to_make(folder)} makes one.")
    tasks = most_complete_tasks([(setting.task, setting.variant) for setting in everything], _MOST_TASKS)
    rows = {task: [setting for setting in everything if setting.task == task] for task in tasks}
    settings = [setting for row in rows.values() for setting in row]
    looks = _looks([setting.alpha for setting in settings])
    figure = new_figure(15.6, 2.1 + 3.5 * len(rows))
    grid = figure.subplots(len(rows), 4, squeeze=False)
    for axes, (task, row) in zip(grid, rows.items(), strict=True):
        _draw_scores(axes[0], axes[1], task, row, looks)
        _draw_values(axes[2], axes[3], row, looks)
    seeds = [seed for setting in settings for seed in setting.seeds]
    figure.legend(handles=_legend(looks, seeds), loc="outside lower center", ncols=6, columnspacing=1.6)
    more = len({setting.task for setting in everything}) - len(tasks)
    subtitle = (
        f"Points: means over seeds of the last {SCORE_WINDOW} evaluations; bars: ± one standard deviation of them."
    )
    detail = "Lines by epoch: means over seeds, bands from the lowest to the highest; main: the task's own α, thick. "
    detail += f"{more} more tasks with runs are not drawn." if more else ""
    headline(figure, _finding(rows), subtitle, detail, stopped_line(folder, _VARIANTS, tasks), *origin(seeds, _LABELS))
    return figure


def _settings(seeds: Sequence[Seed]) -> list[_Setting]:
    """The seeds by task and variant; those that do not say their alpha get a warning."""
    found = []
    for (task, variant), there in grouped(seeds).items():
        kept: dict[float, list[Seed]] = {}
        for seed in there:
            try:
                kept.setdefault(read_alpha(seed.run), []).append(seed)
            except InvalidFileError as error:
                logging.getLogger(__name__).warning("%s is left out: %s", seed.run.path, error)
        found += [_Setting(task=task, variant=variant, alpha=alpha, seeds=tuple(kept[alpha])) for alpha in kept]
    return sorted(found, key=lambda setting: (setting.task, setting.alpha, setting.variant))


def _looks(alphas: Sequence[float]) -> dict[float, _Look]:
    """Color and line style for each alpha, dark to light with its logarithm."""
    different = sorted(set(alphas))
    logs = np.log(different)
    places = 0.85 * (logs - logs[0]) / max(float(np.ptp(logs)), 1e-12)
    colors = [colormaps["viridis"](float(place)) for place in places]
    return {
        alpha: (color, series_line(index)) for index, (alpha, color) in enumerate(zip(different, colors, strict=True))
    }


def _draw_scores(
    by_alpha: Axes, by_epoch: Axes, task: str, row: Sequence[_Setting], looks: Mapping[float, _Look]
) -> None:
    scored = [setting for setting in row if setting.scores.size]
    _draw_ends(by_alpha, scored, [setting.scores for setting in scored], BLUE)
    _scale_alphas(by_alpha, [setting.alpha for setting in scored])
    for setting in scored:
        curves = [seed.run.curve for seed in setting.seeds if seed.run.scored]
        color, line = looks[setting.alpha]
        draw_seeds(by_epoch, curves, color, line=line, width=_width(setting))
    leave_out_low_scores(by_alpha)
    leave_out_low_scores(by_epoch)
    below = [f"α = {setting.alpha:g}" for setting in scored if setting.scores.mean() < LOWEST_SCORE]
    best = max(scored, key=lambda setting: float(setting.scores.mean()), default=None)
    note = f"highest: {best.scores.mean():.1f} at α = {best.alpha:g} ({best.variant})" if best else "no scores recorded"
    outside = [(f"below {LOWEST_SCORE:g}: {', '.join(below)}", GRAY)] if below else []
    panel_title(by_alpha, task, (note, BLUE if best else GRAY), *outside)
    panel_title(by_epoch, "Score by epoch")
    _label_or_remove(by_alpha, by_epoch, "normalized score (0-100)", drawn=bool(scored))


def _draw_values(by_alpha: Axes, by_epoch: Axes, row: Sequence[_Setting], looks: Mapping[float, _Look]) -> None:
    valued = [setting for setting in row if setting.ends("value").size]
    value, truth = ([setting.ends(name) for setting in valued] for name in ("value", "truth"))
    _draw_ends(by_alpha, valued, truth, BLACK, marker="s")
    _draw_ends(by_alpha, valued, value, BLUE)
    _scale_alphas(by_alpha, [setting.alpha for setting in valued])
    for setting in valued:
        curves = [seed.curve(seed.value) for seed in setting.seeds if seed.has_values]
        color, line = looks[setting.alpha]
        draw_seeds(by_epoch, curves, color, line=line, width=_width(setting))
    fold_far_values(by_alpha, value, truth)
    seeds = [seed for setting in valued for seed in setting.seeds]
    folded = fold_far_values(by_epoch, [seed.value for seed in seeds], [seed.truth for seed in seeds])
    over = [one.mean() > other.mean() for one, other in zip(value, truth, strict=True)]
    panel_title(by_alpha, "Claimed and earned", (f"claims more than it earns in {sum(over)} of {len(over)}", BLUE))
    panel_title(by_epoch, "Value by epoch", *([("logarithmic far from the true returns", GRAY)] if folded else []))
    _label_or_remove(by_alpha, by_epoch, "discounted value (reward units)", drawn=bool(valued))


def _label_or_remove(by_alpha: Axes, by_epoch: Axes, quantity: str, *, drawn: bool) -> None:
    """Names the axes of two panels; where nothing is drawn there is no panel, only its place."""
    for axes, label in ((by_alpha, "α   (reward units per nat)"), (by_epoch, "epoch")):
        axes.set(xlabel=label, ylabel=quantity)
        if not drawn:
            axes.remove()


def _draw_ends(
    axes: Axes, settings: Sequence[_Setting], ends: Sequence[Numbers], color: str, marker: str = "o"
) -> None:
    """Means over seeds against alpha, as points, for often they are single seeds; main's has a ring."""
    if not settings:
        return
    alphas, reached = [setting.alpha for setting in settings], [over_seeds(each) for each in ends]
    means, bars = [each.mean for each in reached], [each.std or 0.0 for each in reached]
    axes.errorbar(alphas, means, yerr=bars, color=color, linestyle="", marker=marker, markersize=5,
                  capsize=3.0, elinewidth=1.1)  # fmt: skip
    mains = [(alpha, mean) for alpha, mean, each in zip(alphas, means, settings, strict=True) if each.variant == MAIN]
    if mains:
        axes.plot(*zip(*mains, strict=True), linestyle="", marker="o", markersize=11, markerfacecolor="none",
                  markeredgecolor=color, markeredgewidth=1.3)  # fmt: skip


def _scale_alphas(axes: Axes, alphas: Sequence[float]) -> None:
    """Makes the axis of a panel logarithmic, from the lowest to the highest alpha; after all points are drawn."""
    if not alphas:
        return
    low, high = np.log([min(alphas), max(alphas)])
    room = 0.05 * (high - low) or np.log(2.0)  # matplotlib's margin, or around a single alpha a factor
    axes.set_xscale("log")
    axes.set_xlim(np.exp(low - room), np.exp(high + room))
    ticks = _ticks(alphas)
    axes.set_xticks(ticks, [f"{alpha:g}" for alpha in ticks])
    axes.minorticks_off()


def _ticks(alphas: Sequence[float]) -> list[float]:
    """The alphas whose labels have room: each a good way above the one before."""
    kept: list[float] = []
    for alpha in sorted(set(alphas)):
        if not kept or alpha >= _TICK_RATIO * kept[-1]:
            kept.append(alpha)
    return kept


def _width(setting: _Setting) -> float:
    return 2.6 if setting.variant == MAIN else 1.3


def _legend(looks: Mapping[float, _Look], seeds: Sequence[Seed]) -> list[Line2D]:
    return [
        *(
            Line2D([], [], color=color, linestyle=line, label=f"α = {alpha:g}")
            for alpha, (color, line) in looks.items()
        ),
        Line2D([], [], color=BLUE, marker="o", markersize=5, linestyle="", label="score; claimed by the critics"),
        Line2D([], [], color=BLACK, marker="s", markersize=5, linestyle="", label=earned(seeds)),
        Line2D([], [], color=BLUE, marker="o", markersize=11, markerfacecolor="none", linestyle="", label="main"),
    ]


def _finding(rows: Mapping[str, Sequence[_Setting]]) -> str:
    """At which alpha each task scores highest, where that is more than the spread over seeds."""
    best = []
    for task, row in rows.items():
        scored = sorted((each for each in row if each.scores.size), key=lambda each: -float(each.scores.mean()))
        others = [each for each in scored if each.alpha != scored[0].alpha]
        if others:
            best.append(f"α = {scored[0].alpha:g} on {task}{_doubt(scored[0], others[0])}")
    if not best:
        return "No task has scores at more than one α: nothing to compare"
    return f"Highest score at {', '.join(best)}"


def _doubt(first: _Setting, second: _Setting) -> str:
    """Why the first need not be better than the second, in brackets."""
    if min(first.scores.size, second.scores.size) < 2:
        return " (of single seeds)"
    best, next_best = over_seeds(first.scores), over_seeds(second.scores)
    noise = (best.std or 0.0) + (next_best.std or 0.0)
    return " (within the spread over seeds)" if best.mean - next_best.mean <= noise else ""
