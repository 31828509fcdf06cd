"""Figure `figure2-truth`: the estimators of Figure 2 where the exact weights are known.

Each violin's left half is what an estimator says, its right half the exact weights w* of the same policy at the same
rows of the data. Below: how far the estimates are from w*, and from the policy's return, at each retraining.
Source: theory.md, section 3 (a single test function does not determine the weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ampl.errors import InvalidFileError
from figures.drawing.style import BLACK, GRAY, PURPLE, SERIES_MARKERS, WINE, headline, literal, new_figure, panel_title
from figures.drawing.violins import LEFT, RIGHT, Distribution, describe, draw_violins, percentage, set_scale
from figures.inputs.names import MAIN
from figures.inputs.records import INFINITE, REMEDY, Numbers, Record, Texts, record_source
from figures.training.variants import COLORS, LABELS

_OURS = "AMPL"  # stands in the name of AMPL's own estimator
_OTHER_COLORS = (WINE, PURPLE, BLACK)  # of estimators that are not in Figure 2
_FLAT = "w = 1"  # the estimate that needs no estimator
_THIN = 0.01  # of a violin's widest place: axes leave out thinner tails
_PANEL_HEIGHT, _ERROR_HEIGHT = 2.9, 2.5  # inches


@dataclass(frozen=True, kw_only=True)
class Figure2TruthRecord(Record):
    """E estimators of the weights at R retrainings, where the exact weights w* are known; M rows of the data."""

    estimator: Annotated[Texts, "E"]
    retraining: Annotated[Numbers, "R"]  # 1 for the first
    log_weights: Annotated[Numbers, "E", "R", "M", INFINITE]  # of mean one; -inf for a weight of zero
    true_log_weights: Annotated[Numbers, "R", "M", INFINITE]  # exact, same rows; -inf where the policy never goes
    error_l1: Annotated[Numbers, "E", "R"]  # mean of abs(w - w*) over the data
    flat_error: Annotated[Numbers, "R"]  # mean of abs(1 - w*) over the data
    return_error: Annotated[Numbers, "E", "R"]  # abs(mean of w r over the data - J), in reward units


class Measure(NamedTuple):
    """A panel below the violins."""

    title: str
    notes: Sequence[str]  # what is measured, and what the dashed line is
    values: Numbers  # a line an estimator, [E, R]
    dashed: Numbers | None = None  # [R]


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = Figure2TruthRecord.read(path, "figure2-truth")
    returns = Measure("Error of the return", ["|mean of w r − J|", "in reward units"], record.return_error)
    return draw_beside_truth(record, path, (error_of_weights(record), returns))


def error_of_weights(record: Figure2TruthRecord) -> Measure:
    """How far the estimates are from w*, beside the estimate that needs no estimator."""
    notes = "mean |w − w*| over the data", "dashed: w = 1 everywhere"
    return Measure("Error of the weights", notes, record.error_l1, record.flat_error)


def draw_beside_truth(record: Figure2TruthRecord, path: Path, measures: Sequence[Measure]) -> Figure:
    """A panel of violins for each estimator, and one for each measure.

    Args:
        record: what is drawn.
        path: where it was read from.
        measures: the first is `error_of_weights`.

    Raises:
        InvalidFileError: infinite weights.
    """
    for name in ("log_weights", "true_log_weights"):
        if np.isposinf(getattr(record, name)).any():
            raise InvalidFileError(f"{path}: array '{name}' holds +inf; expected logs of finite weights. {REMEDY}")
    n_estimators = len(record.estimator)
    estimated = [[describe(values) for values in row] for row in record.log_weights]  # [E][R]
    exact = [describe(values) for values in record.true_log_weights]  # [R]
    n_columns = 2 if n_estimators in (1, 2, 4) else 3
    n_rows = -(-n_estimators // n_columns)
    figure = new_figure(10.8, 1.5 + n_rows * _PANEL_HEIGHT + _ERROR_HEIGHT)
    halves = figure.add_gridspec(2, 1, height_ratios=[n_rows * _PANEL_HEIGHT, _ERROR_HEIGHT])
    panels = halves[0].subgridspec(n_rows, n_columns)
    for index in range(n_estimators):
        axes = figure.add_subplot(panels[index // n_columns, index % n_columns])
        _draw_panel(axes, record, index, estimated[index], exact)
        if index % n_columns == 0:
            axes.set_ylabel("log w   (nats)")
    below = halves[1].subgridspec(1, len(measures))
    for column, measure in enumerate(measures):
        _draw_measure(figure.add_subplot(below[column]), record, measure)
    handles: list[Patch | Line2D] = [Patch(color=GRAY, alpha=0.55, label="exact w* (right halves)")]
    for index, name in enumerate(map(str, record.estimator)):
        color, marker = _look(record, index)
        handles.append(Line2D([], [], color=color, marker=marker, markersize=5, linewidth=1.4, label=literal(name)))
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if n_estimators > 3 else 4)
    headline(figure, *_finding(record, estimated, exact), record_source(path))
    return figure


def _draw_panel(
    axes: Axes, record: Figure2TruthRecord, index: int, estimated: Sequence[Distribution], exact: Sequence[Distribution]
) -> None:
    """One estimator beside the truth."""
    draw_violins(axes, estimated, _look(record, index)[0], LEFT)
    draw_violins(axes, exact, GRAY, RIGHT)
    wide = [violin.place[violin.density >= _THIN] for violin in (*estimated, *exact)]
    ends = [end for place in wide for end in (*place[:1], *place[-1:])]
    set_scale(axes, [int(number) for number in record.retraining], ends, room_below=False)
    axes.set_xlabel("retraining")
    error = record.error_l1[index].mean()
    notes = [(f"mean |w − w*| over the data: {error:.3g}", BLACK)]
    zeros = [
        (float(np.mean([violin.excluded for violin in each])), name) for each, name in ((estimated, "w"), (exact, "w*"))
    ]
    if any(share for share, _ in zeros):
        shares = ", ".join(f"{percentage(share)} of {name}" for share, name in zeros if share)
        notes.append((f"exactly zero, left out: {shares}", GRAY))
    panel_title(axes, str(record.estimator[index]), *notes)


def _draw_measure(axes: Axes, record: Figure2TruthRecord, measure: Measure) -> None:
    """Over the retrainings, a line an estimator."""
    for index, values in enumerate(measure.values):
        color, marker = _look(record, index)
        axes.plot(record.retraining, values, color=color, marker=marker, markersize=5, linewidth=1.4)
    set_scale(axes, [int(number) for number in record.retraining], [], room_below=False)
    axes.set_xlim(record.retraining.min() - 0.4, record.retraining.max() + 0.4)
    axes.set_xlabel("retraining")
    if measure.dashed is not None:
        axes.plot(record.retraining, measure.dashed, color=BLACK, linestyle="--", linewidth=1.2, zorder=3)
    if measure.values.min() >= 0.0:
        axes.set_ylim(0.0, None)
    panel_title(axes, measure.title, *((note, BLACK) for note in measure.notes))


def _look(record: Figure2TruthRecord, index: int) -> tuple[str, str]:
    """Color and marker of an estimator: the color it has in Figure 2, if it is in it."""
    known = {label: COLORS[variant] for variant, label in LABELS.items()}
    names = [str(name) for name in record.estimator]
    others = [name for name in names if name not in known and _OURS not in name]
    name, marker = names[index], SERIES_MARKERS[index % len(SERIES_MARKERS)]
    if name in others:
        return _OTHER_COLORS[others.index(name) % len(_OTHER_COLORS)], marker
    return known.get(name, COLORS[MAIN]), marker


def _finding(
    record: Figure2TruthRecord, estimated: Sequence[Sequence[Distribution]], exact: Sequence[Distribution]
) -> tuple[str, str, str]:
    """Who is closest to the truth, and how the width of AMPL's weights compares: headline, line below it, note."""
    errors = dict(zip(map(str, record.estimator), record.error_l1.mean(axis=1), strict=True))
    closest = min(errors, key=lambda name: errors[name])
    flat = float(record.flat_error.mean())
    better = sum(error < flat for error in errors.values())
    finding = f"{closest} comes closest to the exact weights: mean |w − w*| is {errors[closest]:.3g}"
    subtitle = f"{_FLAT} everywhere would be off by {flat:.3g}: {better} of {len(errors)} estimators beat it."
    note = f"Violins of {record.log_weights.shape[2]:,} rows, quartiles dashed, thin tails cut."
    widths = [_width(violins) for violins in estimated]
    spans = "; ".join(
        f"{name} spans {width:.2g} nats of log w where the exact weights span {_width(exact):.2g} (their medians)"
        for name, width in zip(errors, widths, strict=True)
        if _OURS in name
    )
    return finding, subtitle, f"{note} {spans}".rstrip()


def _width(violins: Sequence[Distribution]) -> float:
    """Median over the retrainings of the distance between the extremes, zeros left out; NaN if nothing is left."""
    return float(np.median([violin.high - violin.low for violin in violins]))
