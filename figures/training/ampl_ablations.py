"""Table `table2`: scores of AMPL's ablations beside the paper's. A cell without a run is empty.

Source: AMPL, appendix Table 2.
"""

from __future__ import annotations

from pathlib import Path

from figures.inputs.paper_results import FIGURE_1, VARIANTS
from figures.inputs.scores import (
    COMPARABLE_NOTE,
    SPREAD_NOTE,
    circumstance_notes,
    read_scores,
    score_text,
    score_values,
    stopped_notes,
    window_note,
)
from figures.inputs.table import Table, Value
from figures.training.variants import LABELS


def table2(folder: Path) -> Table:
    """Each dataset and variant: our score beside the paper's mean.  Raises InvalidFileError if no run has a score.

    Args:
        folder: folder of all runs.
    """
    cells, stopped = read_scores(folder, FIGURE_1, VARIANTS)
    ours = {(cell.task, cell.variant): cell for cell in cells}
    columns = ["dataset"]
    for variant in VARIANTS:
        columns += [LABELS[variant], "paper"]
    rows, values = [], []
    for task, paper in FIGURE_1.items():
        row = [task]
        for variant in VARIANTS:
            cell = ours.get((task, variant))
            row += [score_text(cell), f"{paper[variant]:.1f}"]
            known: dict[str, Value] = {"dataset": task, "variant": variant, "paper_mean": paper[variant]}
            known["ours_n_seeds"] = None if cell is None else len(cell.runs)
            values.append(known | score_values(cell))
        rows.append(tuple(row))
    notes = [window_note(), SPREAD_NOTE, COMPARABLE_NOTE, *circumstance_notes(cells, LABELS), *stopped_notes(stopped)]
    return Table(
        title="Table 2: normalized scores of the ablations",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(notes),
        values=tuple(values),
    )
