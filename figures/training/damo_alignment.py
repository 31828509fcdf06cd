"""Figure `damo-alignment`: where the data, the model's rollouts and the truth are, with and without DAMO's two terms.

Source: DAMO, Figure 3. Left: state-action pairs of the data and of the model's rollouts that training used, which data
alignment (er) brings together; right: states that the final policy visits in the model and in the simulator, from the
same starts and with the same actions, for behavior alignment (ir).
All rows of a column share one plane, the first two principal components of their standardized points. The coefficient
of each panel compares the two sets in all dimensions. One task: the first that has all variants, or the one with most.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ampl.errors import InvalidFileError
from ampl.statistics import over_seeds
from figures.drawing.point_clouds import Plane, energy_coefficient, fit_plane
from figures.drawing.style import BLACK, BLUE, GRAY, GREEN, ORANGE, PURPLE, headline, new_figure, panel_title
from figures.inputs.names import train_command
from figures.inputs.records import Numbers
from figures.inputs.runs import Run, find_runs
from figures.inputs.samples import NAME, Samples, read_samples
from figures.inputs.scores import Cell, circumstance_notes
from figures.training.damo_runs import ALGORITHM, LABELS, how_to_make, most_complete_tasks

_VARIANTS = ("no-er", "no-ir", "main")  # the paper's rows
_FRAME = (0.5, 99.5)  # percentiles of the points that the panels reach to
_MARGIN = 0.12  # of that range, on each side
_MARKERS = (("o", 6), ("x", 10))  # of the two sets, and their areas
_LAYERS = 20  # parts that the points are drawn in, so that neither set hides the other


@dataclass(frozen=True, kw_only=True)
class _Sampled:
    run: Run
    samples: Samples


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One comparison: names and colors of two sets of points, and which arrays they are."""

    name: str
    labels: tuple[str, str]
    colors: tuple[str, str]
    what: str

    def clouds(self, samples: Samples) -> tuple[Numbers, Numbers]:
        """The two sets, [n, D] and [m, D]."""
        if self.what == "(s, a)":
            offline = np.hstack([samples.offline_state, samples.offline_action])
            return offline, np.hstack([samples.synthetic_state, samples.synthetic_action])
        return samples.real_state, samples.model_state


_COLUMNS = (
    _Column(
        name="data and model", labels=("data: (s, a)", "rollouts in the model"), colors=(BLUE, ORANGE), what="(s, a)"
    ),
    _Column(
        name="truth and model",
        labels=("truth: s of the final policy", "model: s of the final policy"),
        colors=(GREEN, PURPLE),
        what="s",
    ),
)


def draw(folder: Path) -> Figure:
    """Draws the samples of DAMO's runs below `folder`.  Raises InvalidFileError if there are none."""
    runs = [run for run in find_runs(folder, ALGORITHM, variants=_VARIANTS) if run.counts]
    found = _read(runs)
    if not found:
        which = f"of DAMO (variant {', '.join(_VARIANTS[:-1])} or {_VARIANTS[-1]}) below {folder}"
        what = f"{len(runs)} runs {which} have" if runs else f"no run {which} has"
        none = "no samples.npz that can be read" if runs else "a samples.npz"
        raise InvalidFileError(f"{what} {none}. {how_to_make(folder)} makes one when it ends.")
    task = most_complete_tasks(dict.fromkeys((each.run.task, each.run.variant) for each in found), 1)[0]
    rows = {name: [each for each in found if (each.run.task, each.run.variant) == (task, name)] for name in _VARIANTS}
    missing = [name for name, there in rows.items() if not there]
    rows = {name: there for name, there in rows.items() if there}
    figure = new_figure(9.6, 2.2 + 3.3 * len(rows))
    grid = figure.subplots(len(rows), len(_COLUMNS), sharex="col", sharey="col", squeeze=False)
    distances = [_draw_column(list(grid[:, place]), column, rows) for place, column in enumerate(_COLUMNS)]
    figure.legend(handles=_legend(), loc="outside lower center", ncols=2, columnspacing=1.6)
    headline(
        figure,
        _finding(task, distances, min(min(map(len, vars(each.samples).values())) for each in found)),
        "Energy coefficient: 0 where distributions are the same, at most 1. Points: the seed named.",
        *(_how_to_fill(task, name) for name in missing),
        *_detail(task, rows),
    )
    return figure


def _read(runs: Sequence[Run]) -> list[_Sampled]:
    """The runs that have samples; a damaged file is a line of warning."""
    found = []
    for run in runs:
        if (run.path / NAME).exists():
            try:
                found.append(_Sampled(run=run, samples=read_samples(run.path / NAME)))
            except InvalidFileError as error:
                logging.getLogger(__name__).warning("%s is left out: %s", run.path, error)
    return _of_one_size(found)


def _of_one_size(found: Sequence[_Sampled]) -> list[_Sampled]:
    """Leaves out, with a line of warning, what has other dimensions than the first run of its task."""
    sizes: dict[str, tuple[int, int]] = {}
    kept = []
    for each in found:
        size = (each.samples.offline_state.shape[1], each.samples.offline_action.shape[1])
        expected = sizes.setdefault(each.run.task, size)
        if size == expected:
            kept.append(each)
        else:
            logging.getLogger(__name__).warning(
                "%s is left out: its samples have %d numbers a state and %d an action; other runs of the task have "
                "%d and %d.", each.run.path, *size, *expected,
            )  # fmt: skip
    return kept


def _draw_column(
    panels: Sequence[Axes], column: _Column, rows: Mapping[str, Sequence[_Sampled]]
) -> dict[str, list[float]]:
    """Draws one comparison for every variant; returns its coefficients, a number a seed."""
    clouds = {variant: [column.clouds(each.samples) for each in there] for variant, there in rows.items()}
    plane = fit_plane([cloud for pairs in clouds.values() for pair in pairs for cloud in pair])
    shown = [plane.project(np.concatenate(pairs[0])) for pairs in clouds.values()]
    low, high = np.percentile(np.concatenate(shown), _FRAME, axis=0)
    margin = np.maximum(_MARGIN * (high - low), 1e-9)
    panels[0].set_xlim(low[0] - margin[0], high[0] + margin[0])
    panels[0].set_ylim(low[1] - margin[1], high[1] + margin[1])
    distances = {}
    for axes, (variant, pairs) in zip(panels, clouds.items(), strict=True):
        distances[variant] = [
            energy_coefficient(plane.standardize(one), plane.standardize(other)) for one, other in pairs
        ]
        outside = _draw_points(axes, plane, pairs[0], column.colors)
        note = f"energy coefficient {distances[variant][0]:.3f} (seed {rows[variant][0].run.seed})"
        more = []
        if len(pairs) > 1:
            more = [f"{min(distances[variant]):.3f} to {max(distances[variant]):.3f} over {len(pairs)} seeds"]
        more.append(f"{outside} of {sum(map(len, pairs[0]))} points beyond the frame")
        panel_title(axes, f"{LABELS[variant]}: {column.name}", (note, BLACK), *((line, GRAY) for line in more))
        axes.set_ylabel("component 2")
    share = 100.0 * plane.shares
    panels[-1].set_xlabel(
        f"component 1 of {column.what}\n(variance: {share[0]:.0f} % along 1, {share[1]:.0f} % along 2)"
    )
    return distances


def _draw_points(axes: Axes, plane: Plane, pair: tuple[Numbers, Numbers], colors: tuple[str, str]) -> int:
    """Both sets in one mixed order, so that neither hides the other; returns how many points the frame cuts off."""
    places = plane.project(np.concatenate(pair))
    of_second = np.arange(len(places)) >= len(pair[0])
    for part in np.array_split(np.random.default_rng(0).permutation(len(places)), _LAYERS):
        for mine, color, (marker, size) in zip((~of_second[part], of_second[part]), colors, _MARKERS, strict=True):
            x, y = places[part[mine]].T
            axes.scatter(x, y, color=color, marker=marker, s=size, alpha=0.6, linewidths=0.6, rasterized=True)
    limits = np.array([axes.get_xlim(), axes.get_ylim()])
    return int(((places < limits[:, 0]) | (places > limits[:, 1])).any(axis=1).sum())


def _how_to_fill(task: str, variant: str) -> str:
    """A line for a variant that has no samples, with the command that makes some."""
    return f"{LABELS[variant]}: no samples; they come from {train_command(task, variant, algorithm=ALGORITHM)}"


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], color=color, marker=marker, linestyle="", markersize=6, label=label)
        for column in _COLUMNS
        for label, color, (marker, _) in zip(column.labels, column.colors, _MARKERS, strict=True)
    ]


def _finding(task: str, distances: Sequence[Mapping[str, Sequence[float]]], points: int) -> str:
    """Which variants' sets are closest in each column, by the mean over seeds; sets have at least so many points."""
    if len(distances[0]) == 1:
        (variant,) = distances[0]
        return f"Samples of one variant only, {LABELS[variant]}, on {task}: nothing to compare"
    of = "" if len(distances[0]) == len(_VARIANTS) else f" (of {len(distances[0])} variants)"
    data, truth = (_closest(column, 1.0 / points) for column in distances)
    if data == truth:
        return f"Closest to the data and to the truth: {data}{of}"
    return f"Closest to the data: {data}; to the truth: {truth}{of}"


def _closest(column: Mapping[str, Sequence[float]], resolution: float) -> str:
    """The variants with the smallest mean, and those that noise alone could set apart from it."""
    reached = {variant: over_seeds(values) for variant, values in column.items()}
    means = {variant: summary.mean for variant, summary in reached.items()}
    noise = max(resolution, *(summary.std or 0.0 for summary in reached.values()))
    best = [LABELS[variant] for variant, mean in means.items() if mean - min(means.values()) <= noise]
    if len(best) == len(means):
        return "no variant stands out"
    return " and ".join(best) + (" alike" if len(best) > 1 else "")


def _detail(task: str, rows: Mapping[str, Sequence[_Sampled]]) -> tuple[str, str]:
    cells = [
        Cell(task=task, variant=variant, runs=tuple(each.run for each in there)) for variant, there in rows.items()
    ]
    return (
        "Energy coefficient: energy distance over its largest possible value, in all standardized dimensions; about "
        "1 / n for two samples of n rows from one distribution.",
        " ".join(circumstance_notes(cells, LABELS)),
    )
