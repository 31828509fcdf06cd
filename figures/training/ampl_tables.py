"""Tables `table1` and `table2`: our scores beside the paper's. A cell without a run is empty.

Source: AMPL, Table 1 and appendix Table 2.
"""

from __future__ import annotations

from pathlib import Path

from figures.inputs.names import MAIN
from figures.inputs.paper_results import FIGURE_1, TABLE_1, VARIANTS, best_baseline
from figures.inputs.scores import (
    SPREAD_NOTE,
    Cell,
    circumstance_notes,
    last_score_text,
    read_scores,
    score_text,
    score_values,
    stopped_notes,
    window_note,
    with_spread,
)
from figures.inputs.table import Table, Value
from figures.training.variants import LABELS

_COMPARABLE = (
    "The paper's scores are on the original D4RL data with the full schedule (1,000,000 steps), over 5 seeds; "
    "scores on re-created data, or after fewer steps, are not the same quantity."
)


def table1(folder: Path) -> Table:
    """Each dataset: the paper's best baseline and AMPL, and our main.  Raises InvalidFileError if no run has a score.

    Args:
        folder: folder of all runs.
    """
    cells, stopped = read_scores(folder, TABLE_1, [MAIN])
    ours = {cell.task: cell for cell in cells}
    columns = ("dataset", "paper: best baseline", "paper: AMPL", "ours", "ours, last evaluation", "seeds", "steps",
               "data", "device", "commit")  # fmt: skip
    rows, values = [], []
    for task, paper in TABLE_1.items():
        name, baseline = best_baseline(task)
        cell = ours.get(task)
        rows.append((task, f"{name} {with_spread(*baseline)}", with_spread(*paper["AMPL"]), *_texts(cell)))
        known: dict[str, Value] = {
            "dataset": task,
            "paper_best_baseline": name,
            "paper_best_baseline_mean": baseline.mean,
            "paper_best_baseline_std": baseline.std,
            "paper_ampl_mean": paper["AMPL"].mean,
            "paper_ampl_std": paper["AMPL"].std,
        }
        values.append(known | _values(cell))
    notes = [window_note(), SPREAD_NOTE, _COMPARABLE, *stopped_notes(stopped)]
    return Table(
        title="Table 1: normalized scores, main",
        columns=columns,
        rows=tuple(rows),
        notes=tuple(notes),
        values=tuple(values),
    )


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
            values.append(known | _values(cell))
        rows.append(tuple(row))
    notes = [window_note(), SPREAD_NOTE, _COMPARABLE, *circumstance_notes(cells, LABELS), *stopped_notes(stopped)]
    return Table(
        title="Table 2: normalized scores of the ablations",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(notes),
        values=tuple(values),
    )


def _texts(cell: Cell | None) -> tuple[str, ...]:
    """The columns of Table 1 from "ours" on."""
    if cell is None:
        return ("",) * 7
    return score_text(cell), last_score_text(cell), cell.seeds, cell.steps, cell.data, cell.devices, cell.commits


def _values(cell: Cell | None) -> dict[str, Value]:
    """What the CSV says about our runs."""
    return {"ours_n_seeds": None if cell is None else len(cell.runs), **score_values(cell)}
