"""Figure `return-gap-finite`: the gap of the policy that is best in an estimated model, by the size of the data.

One column a finite MDP; everything is exact but the sampled datasets. Lines are means over datasets, bands go from the
lowest to the highest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.drawing.style import BLACK, BLUE, GRAY, GREEN, ORANGE, headline, new_figure, panel_title, series_line
from figures.inputs.records import Numbers, Record, Texts, record_source

_Part: TypeAlias = Annotated[Numbers, "T", "N", "D"]


@dataclass(frozen=True, kw_only=True)
class ReturnGapRecord(Record):
    """Parts of the gap on T tasks, from D datasets of each of N sizes; reward units a step."""

    task: Annotated[Texts, "T"]
    size: Annotated[Numbers, "N"]  # transitions
    optimization: _Part
    dense: _Part
    sparse: _Part
    behavior_gap: Annotated[Numbers, "T"]


def draw(path: Path) -> Figure:
    """Draws the record at `path`.  Raises InvalidFileError."""
    record = ReturnGapRecord.read(path, "return-gap-finite")
    gap = record.optimization + record.dense + record.sparse
    lines = {
        "gap to the optimum": (gap, BLACK, series_line(0)),
        "optimization": (record.optimization, BLUE, series_line(1)),
        "model error, data dense": (record.dense, GREEN, series_line(2)),
        "model error, data sparse": (record.sparse, ORANGE, series_line(5)),
    }
    n_tasks, needed = len(record.task), _needed(record, gap)
    figure = new_figure(max(8.0, 3.6 * n_tasks), 4.6)
    for task, axes in enumerate(figure.subplots(1, n_tasks, squeeze=False)[0]):
        axes.axhline(0.0, color="#888888", linewidth=0.8)
        axes.axhline(record.behavior_gap[task], color=GRAY, linestyle=":", linewidth=1.2)
        for values, color, line in lines.values():
            drawn = values[task]
            axes.fill_between(record.size, drawn.min(-1), drawn.max(-1), color=color, alpha=0.13, linewidth=0)
            width = 2.4 if color == BLACK else 1.6
            axes.plot(record.size, drawn.mean(-1), color=color, linestyle=line, linewidth=width)
        axes.set_xscale("log")
        axes.set_xlabel("transitions")
        since = (
            "never beats behavior on average"
            if needed[task] is None
            else f"beats behavior on average from {needed[task]:,.0f} on"
        )
        panel_title(axes, str(record.task[task]), (since, GRAY))
        if not task:
            axes.set_ylabel("reward a step")
    handles = [Line2D([], [], color=color, linestyle=line, label=name) for name, (_, color, line) in lines.items()]
    handles += [Line2D([], [], color=GRAY, linestyle=":", label="gap of the behavior policy")]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    headline(figure, *_finding(record, gap, needed), record_source(path))
    return figure


def _needed(record: ReturnGapRecord, gap: Numbers) -> list[float | None]:
    """With how many transitions the model's best policy first beats the behavior policy on average, for each task."""
    better = gap.mean(-1) < record.behavior_gap[:, None]  # [T, N]
    return [float(record.size[np.argmax(row)]) if row.any() else None for row in better]


def _finding(record: ReturnGapRecord, gap: Numbers, needed: Sequence[float | None]) -> tuple[str, str, str]:
    """How much data the model's best policy needs to beat the behavior policy, and what the optimization part says."""
    found = [size for size in needed if size is not None]
    finding = f"On {len(found)} of {len(needed)} tasks the model's best policy beats the behavior policy on average"
    finding += f", with {max(found):,.0f} transitions at the latest" if found else ""
    detail = (
        "Optimization is at most zero: in its own model the policy is the best, so the gap is the model's error less "
        "what planning gains from it."
    )
    subtitle = f"Means over {gap.shape[2]} datasets, bands from the lowest to the highest."
    return finding, subtitle, detail
