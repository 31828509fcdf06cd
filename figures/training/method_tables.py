"""Tables `table1` and `damo-table2`: algorithms side by side, published scores above ours.

A cell without a run is empty, and so is one that was never published. Source: AMPL, Table 1; DAMO, Table 2;
OfflineRL-Kit's and CORL's benchmarks (`figures.inputs.paper_results`, `figures.inputs.other_results`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ampl.errors import InvalidFileError
from figures.inputs.other_results import CORL, DAMO_TABLE_2, OFFLINERL_KIT, TASKS
from figures.inputs.paper_results import TABLE_1, Score
from figures.inputs.runs import Run
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

Methods = Mapping[str, tuple[str, str] | None]  # by its name in the table: algorithm and variant; None: not here
Published = Mapping[str, Mapping[str, Mapping[str, Score]]]  # by source, dataset and method

TABLE_1_METHODS: Methods = {
    "AlgaeDICE": ("algaedice", "main"),
    "OptiDICE": ("optidice", "main"),
    "CQL": ("cql", "main"),
    "FisherBRC": None,
    "TD3+BC": ("td3-bc", "main"),
    "MOPO": ("mopo", "main"),
    "COMBO": ("combo", "main"),
    "WMOPO": None,
    "AMPL": ("ampl", "main"),
}
DAMO_TABLE_2_METHODS: Methods = {
    "BC": ("bc", "main"),
    "TD3+BC": ("td3-bc", "main"),
    "IQL": ("iql", "main"),
    "CQL": ("cql", "main"),
    "AlgaeDICE": ("algaedice", "main"),
    "OptiDICE": ("optidice", "main"),
    "O-DICE": ("o-dice", "main"),
    "MOReL": ("morel", "main"),
    "MOPO": ("mopo", "kit"),
    "COMBO": ("combo", "main"),
    "RAMBO": ("rambo", "main"),
    "MOBILE": ("mobile", "main"),
    "DAMO": ("damo", "main"),
}


def table1(folder: Path) -> Table:
    """AMPL's comparison on its sixteen datasets.  Raises InvalidFileError if no run has a score."""
    published = {"AMPL's paper": TABLE_1}
    return _table("Table 1: normalized scores", folder, tuple(TABLE_1), TABLE_1_METHODS, published)


def damo_table2(folder: Path) -> Table:
    """DAMO's comparison, with model-free baselines; MOPO with OfflineRL-Kit's settings, as there.

    Raises InvalidFileError if no run has a score.
    """
    published = {"DAMO's paper": DAMO_TABLE_2, "OfflineRL-Kit": OFFLINERL_KIT, "CORL": CORL}
    lost = "Cells that the text of DAMO's paper has lost are empty."
    return _table("DAMO, Table 2: normalized scores", folder, TASKS, DAMO_TABLE_2_METHODS, published, lost)


def _table(
    title: str, folder: Path, tasks: tuple[str, ...], methods: Methods, published: Published, *notes: str
) -> Table:
    """For each dataset the published scores, a row a source, and below them ours."""
    cells, stopped = _read(folder, tasks, methods)
    rows, values = [], []
    for task in tasks:
        ours = {method: cells.get((task, method)) for method in methods}
        for source, scores in published.items():
            if there := scores.get(task):
                texts = (with_spread(*there[method]) if method in there else "" for method in methods)
                rows.append((task, source, *texts))
        if any(ours.values()):
            texts_of: Mapping[str, Callable[[Cell | None], str]] = {
                "ours": score_text,
                "ours, last evaluation": last_score_text,
            }
            rows += [(task, name, *map(text, ours.values())) for name, text in texts_of.items()]
        for method, cell in ours.items():
            known: dict[str, Value] = {"dataset": task, "method": method}
            for source, scores in published.items():
                score = scores.get(task, {}).get(method)
                known |= {f"{source}: mean": score and score.mean, f"{source}: std": score and score.std}
            values.append(known | score_values(cell))
    circumstances = [f"{task}, {method}: {cell.circumstances}" for (task, method), cell in cells.items()]
    mixed = mixtures(run for cell in cells.values() for run in cell.runs)
    return Table(
        title=title,
        columns=("dataset", "scores", *methods),
        rows=tuple(rows),
        notes=(window_note(), SPREAD_NOTE, COMPARABLE_NOTE, *notes, *circumstances, *mixed, *stopped_notes(stopped)),
        values=tuple(values),
    )


def _read(folder: Path, tasks: tuple[str, ...], methods: Methods) -> tuple[dict[tuple[str, str], Cell], list[Run]]:
    """The cells that have runs, by dataset and method, and the runs that stopped."""
    cells: dict[tuple[str, str], Cell] = {}
    stopped: list[Run] = []
    missing: InvalidFileError | None = None
    for method, place in methods.items():
        if place is None:
            continue
        algorithm, variant = place
        try:
            found, broken = read_scores(folder, tasks, [variant], algorithm)
        except InvalidFileError as error:
            missing = error
            continue
        cells |= {(cell.task, method): cell for cell in found}
        stopped += broken
    if missing is not None and not cells and not stopped:
        raise missing
    return {place: cells[place] for place in sorted(cells, key=lambda place: tasks.index(place[0]))}, stopped
