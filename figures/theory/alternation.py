"""Figure `alternation`: Algorithm 1's true return and lower bound, epoch by epoch, with and without weighted refits.

Source: AMPL, Algorithm 1 and Eq. 7; theory.md, section 4. One column a task; medians over seeds, bands between
quartiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.drawing.style import BLACK, BLUE, GRAY, ORANGE, headline, literal, new_figure, panel_title
from figures.inputs.records import Numbers, Record, Texts, record_source

_COLORS = (BLUE, ORANGE)
_WIDTHS = (1.4, 3.2)  # the weighted curve is drawn inside the other where they coincide
_Curves: TypeAlias = Annotated[Numbers, "T", 2, "N", "E"]


@dataclass(frozen=True, kw_only=True)
class AlternationRecord(Record):
    """Weighted and unweighted refits on T tasks, N seeds, E epochs."""

    task: Annotated[Texts, "T"]
    variant: Annotated[Texts, 2]  # the weighted one first
    epoch: Annotated[Numbers, "E"]
    retraining: Annotated[Numbers, "R"]  # epochs after which the model was refitted
    true_return: _Curves  # reward units a step, like the bound
    lower_bound: _Curves
    model_divergence: _Curves  # nats
    weights_error: _Curves  # mean |w - w*|
    behavior_return: Annotated[Numbers, "T"]
    optimal_return: Annotated[Numbers, "T"]


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = AlternationRecord.read(path, "alternation")
    n_tasks = len(record.task)
    figure = new_figure(max(7.0, 3.2 * n_tasks), 9.0)
    grid = figure.subplots(3, n_tasks, sharex=True, squeeze=False)
    labels = (
        "true return J(π, P*)\n(reward a step)",
        "lower bound of J(π, P*)\n(reward a step)",
        "E[KL(P*‖P̂)] under π\n(nats)",
    )
    for task in range(n_tasks):
        quantities = (record.true_return, record.lower_bound, record.model_divergence)
        for axes, values in zip(grid[:, task], quantities, strict=True):
            _draw_variants(axes, record, values[task])
        for height, color, line in (
            (record.optimal_return[task], BLACK, "--"),
            (record.behavior_return[task], GRAY, ":"),
        ):
            grid[0, task].axhline(height, color=color, linewidth=1.0, linestyle=line)
        grid[-1, task].set_xlabel("epoch")
        panel_title(grid[0, task], str(record.task[task]))
    for axes, label in zip(grid[:, 0], labels, strict=True):
        axes.set_ylabel(label)
    handles = [
        Line2D([], [], color=color, linewidth=width, label=literal(f"{name} refits"))
        for color, width, name in zip(_COLORS, _WIDTHS, record.variant, strict=True)
    ]
    handles += [
        Line2D([], [], color=BLACK, linestyle="--", label="optimal policy"),
        Line2D([], [], color=GRAY, linestyle=":", label="behavior policy"),
        Line2D([], [], color=GRAY, alpha=0.4, label="model refitted"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5 if n_tasks > 2 else 3, columnspacing=1.6)
    headline(figure, *_finding(record), record_source(path))
    return figure


def _draw_variants(axes: Axes, record: AlternationRecord, values: Numbers) -> None:
    """Medians with quartile bands of both variants, [2, N, E]."""
    for epoch in record.retraining:
        axes.axvline(epoch, color=GRAY, linewidth=0.6, alpha=0.4)
    for curves, color, width in reversed(list(zip(values, _COLORS, _WIDTHS, strict=True))):
        low, middle, high = np.quantile(curves, [0.25, 0.5, 0.75], axis=0)
        axes.fill_between(record.epoch, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(record.epoch, middle, color=color, linewidth=width)


def _finding(record: AlternationRecord) -> tuple[str, str, str]:
    """In how many tasks weighting helps at the end, from the record: headline, line below it, note."""
    late = record.epoch > record.epoch[-1] / 2.0  # whole periods between refits, for some tasks oscillate

    def gains(values: Numbers) -> Numbers:
        """Median over seeds of weighted minus unweighted, means over the second half of the epochs, [T]."""
        means = values[..., late].mean(axis=-1)  # [T, 2, N]
        return np.median(means[:, 0] - means[:, 1], axis=1)

    def raised(values: Numbers) -> int:
        return int((gains(values) > 0.0).sum())

    total = len(record.task)
    finding = f"Weighted refits lower the model's divergence on {raised(-record.model_divergence)} of {total} tasks"
    scale = np.maximum(np.abs(record.optimal_return - record.behavior_return), 1e-300)
    share = 100.0 * gains(record.true_return) / scale
    low, high = (f"{value:+.2g} %".replace("-", "−") for value in (share.min(), share.max()))
    vacuous = int((record.lower_bound.max(axis=(1, 2, 3)) < record.behavior_return).sum())
    subtitle = f"Lines and bands: medians and quartiles of {record.true_return.shape[2]} datasets. Scales differ."
    note = (
        f"Weighted refits raise the lower bound on {raised(record.lower_bound)}, the true return on "
        f"{raised(record.true_return)}: "
        f"it changes by {low} to {high} of the way from behavior policy to optimum (means over the second half of the "
        f"epochs). On {vacuous} the lower bound never reaches the behavior policy's return."
    )
    return finding, subtitle, note
