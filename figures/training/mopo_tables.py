"""Table `mopo-table1`: our scores beside the paper's. A cell without a run is empty.

Source: MOPO, Table 1 (v0 data, mean and standard deviation over 6 seeds, last iteration); AMPL, Table 1, whose authors
ran MOPO on v2 data (5 seeds).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from figures.inputs.other_results import MOPO_TABLE_1, TASKS
from figures.inputs.paper_results import TABLE_1
from figures.inputs.scores import (
    COMPARABLE_NOTE,
    SPREAD_NOTE,
    Cell,
    last_score_text,
    mixtures,
    read_scores,
    score_text,
    score_values,
    stopped_notes,
    window_note,
    with_spread,
)
from figures.inputs.table import Table, Value

_V0 = {task: task.replace("-v2", "-v0") for task in TASKS}


def mopo_table1(folder: Path) -> Table:
    """MOPO and MBPO on each v2 dataset, and on each v0 dataset with runs.  Raises InvalidFileError without a score."""
    cells, stopped = read_scores(folder, [*_V0.values(), *TASKS], ["main", "mbpo"], "mopo")
    ours = {(cell.task, cell.variant): cell for cell in cells}
    columns = ("dataset", "paper: MOPO (v0)", "paper: MBPO (v0)", "AMPL's paper: MOPO (v2)", "ours: MOPO",
               "ours: MOPO, last evaluation", "ours: MBPO", "ours: MBPO, last evaluation", "seeds", "steps", "data",
               "device", "commit")  # fmt: skip
    rows, values = [], []
    for published, task in [*((task, task) for task in TASKS), *((task, v0) for task, v0 in _V0.items())]:
        found = [ours.get((task, variant)) for variant in ("main", "mbpo")]
        if task != published and not any(found):
            continue
        paper = [with_spread(*MOPO_TABLE_1[published][name]) for name in ("MOPO", "MBPO")]
        ampl = TABLE_1[task]["MOPO"] if task in TABLE_1 else None
        texts = [text(cell) for cell in found for text in (score_text, last_score_text)]
        rows.append((task, *paper, "" if ampl is None else with_spread(*ampl), *texts, *_circumstances(found)))
        for cell, (name, score) in zip(found, MOPO_TABLE_1[published].items(), strict=True):
            known: dict[str, Value] = {
                "dataset": task,
                "method": name,
                "paper_mean": score.mean,
                "paper_std": score.std,
            }
            known["ampl_paper_mean"] = ampl.mean if ampl is not None and name == "MOPO" else None
            values.append(known | score_values(cell))
    notes = (
        window_note(),
        COMPARABLE_NOTE,
        SPREAD_NOTE,
        "The columns of MOPO's paper are on v0 data and of the last iteration; a row says which data ours is on.",
        *mixtures(run for cell in cells for run in cell.runs),
        *stopped_notes(stopped),
    )
    return Table(title="MOPO, Table 1", columns=columns, rows=tuple(rows), notes=notes, values=tuple(values))


def _circumstances(cells: Iterable[Cell | None]) -> tuple[str, ...]:
    """Seeds, steps, data, device and commit of the runs of a row; where they differ, all of them."""
    facts = [(cell.seeds, cell.steps, cell.data, cell.devices, cell.commits) for cell in cells if cell is not None]
    if not facts:
        return ("",) * 5
    return tuple("; ".join(dict.fromkeys(column)) for column in zip(*facts, strict=True))
