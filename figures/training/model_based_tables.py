"""Tables `mopo-table1` and `damo-table2`: our scores beside the papers'. A cell without a run is empty.

Source: MOPO, Table 1 (v0 data, mean and standard deviation over 6 seeds, last iteration); AMPL, Table 1, whose authors
ran MOPO on v2 data (5 seeds); OfflineRL-Kit's benchmark of MOPO (v2 data, 4 seeds, 3,000,000 steps, mean of the last
ten evaluations); DAMO, Table 2 (v2 data), whose text has lost cells: those are empty too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ampl.errors import InvalidFileError
from figures.inputs.paper_results import TABLE_1
from figures.inputs.runs import Run
from figures.inputs.scores import (
    SPREAD_NOTE,
    Cell,
    last_score_text,
    read_scores,
    score_text,
    score_values,
    stopped_notes,
    window_note,
    with_spread,
)
from figures.inputs.table import Table, Value

_ROBOTS = ("halfcheetah", "hopper", "walker2d")
_KINDS = ("random", "medium", "medium-replay", "medium-expert")
TASKS = tuple(f"{robot}-{kind}-v2" for kind in _KINDS for robot in _ROBOTS)
_V0 = {task: task.replace("-v2", "-v0") for task in TASKS}

MOPO_TABLE_1: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = dict(
    zip(
        TASKS,
        (
            ((35.4, 2.5), (30.7, 3.9)), ((11.7, 0.4), (4.5, 6.0)), ((13.6, 2.6), (8.6, 8.1)),
            ((42.3, 1.6), (28.3, 22.7)), ((28.0, 12.4), (4.9, 3.3)), ((17.8, 19.3), (12.7, 7.6)),
            ((53.1, 2.0), (47.3, 12.6)), ((67.5, 24.7), (49.8, 30.4)), ((39.0, 9.6), (22.2, 12.7)),
            ((63.3, 38.0), (9.7, 9.5)), ((23.7, 6.0), (56.0, 34.5)), ((44.6, 12.9), (7.6, 3.7)),
        ),
        strict=True,
    )
)  # fmt: skip
"""Mean and standard deviation of MOPO and MBPO by dataset; "mixed" is medium-replay."""

DAMO_TABLE_2: Mapping[str, str] = {
    "hopper-random-v2": "31.5 ± 0.4",
    "halfcheetah-medium-v2": "71.3 ± 0.5",
    "halfcheetah-medium-replay-v2": "61.6 ± 3.0",
    "walker2d-medium-replay-v2": "89.4",
    "halfcheetah-medium-expert-v2": "103.1 ± 0.9",
    "hopper-medium-expert-v2": "112.3",
    "walker2d-medium-expert-v2": "109.4 ± 0.8",
}
"""DAMO's column as far as it can be read."""

KIT_MOPO: Mapping[str, tuple[float, float]] = {
    "halfcheetah-medium-v2": (72.4, 4.2),
    "hopper-medium-v2": (62.8, 38.1),
    "walker2d-medium-v2": (84.1, 3.2),
    "halfcheetah-medium-replay-v2": (72.1, 3.8),
    "hopper-medium-replay-v2": (92.7, 20.7),
    "walker2d-medium-replay-v2": (85.9, 5.3),
    "halfcheetah-medium-expert-v2": (83.6, 12.5),
    "hopper-medium-expert-v2": (74.6, 44.2),
    "walker2d-medium-expert-v2": (108.2, 4.3),
}
"""MOPO in OfflineRL-Kit, whose settings the variant `kit` has."""

_COMPARABLE = (
    "Scores on re-created data, or after fewer steps than published, are not the same quantity as the paper's."
)


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
        paper = [with_spread(*score) for score in MOPO_TABLE_1[published]]
        ampl = TABLE_1[task]["MOPO"] if task in TABLE_1 else None
        texts = [text(cell) for cell in found for text in (score_text, last_score_text)]
        rows.append((task, *paper, "" if ampl is None else with_spread(*ampl), *texts, *_circumstances(found)))
        for name, cell, (mean, std) in zip(("MOPO", "MBPO"), found, MOPO_TABLE_1[published], strict=True):
            known: dict[str, Value] = {"dataset": task, "method": name, "paper_mean": mean, "paper_std": std}
            known["ampl_paper_mean"] = ampl.mean if ampl is not None and name == "MOPO" else None
            values.append(known | score_values(cell))
    notes = (
        window_note(),
        SPREAD_NOTE,
        "The columns of MOPO's paper are on v0 data and of the last iteration; a row says which data ours is on.",
        _COMPARABLE,
        *stopped_notes(stopped),
    )
    return Table(title="MOPO, Table 1", columns=columns, rows=tuple(rows), notes=notes, values=tuple(values))


def damo_table2(folder: Path) -> Table:
    """DAMO on each dataset, beside our MOPO with OfflineRL-Kit's settings.  Raises InvalidFileError without a score."""
    ours: dict[str, dict[str, Cell]] = {}
    stopped: list[Run] = []
    missing: InvalidFileError | None = None
    for algorithm, variant in (("damo", "main"), ("mopo", "kit")):
        try:
            cells, broken = read_scores(folder, TASKS, [variant], algorithm)
        except InvalidFileError as error:
            missing = error
            continue
        ours[algorithm] = {cell.task: cell for cell in cells}
        stopped += broken
    if not ours and missing is not None:
        raise missing
    columns = ("dataset", "paper: DAMO", "ours: DAMO", "ours: DAMO, last evaluation", "OfflineRL-Kit: MOPO",
               "ours: MOPO kit", "ours: MOPO kit, last evaluation", "seeds", "steps", "data", "device",
               "commit")  # fmt: skip
    rows, values = [], []
    for task in TASKS:
        damo, mopo = (ours.get(algorithm, {}).get(task) for algorithm in ("damo", "mopo"))
        kit = with_spread(*KIT_MOPO[task]) if task in KIT_MOPO else ""
        texts = (score_text(damo), last_score_text(damo), kit, score_text(mopo), last_score_text(mopo))
        rows.append((task, DAMO_TABLE_2.get(task, ""), *texts, *_circumstances((damo, mopo))))
        for name, cell, published in (("DAMO", damo, DAMO_TABLE_2.get(task)), ("MOPO kit", mopo, kit or None)):
            known: dict[str, Value] = {"dataset": task, "method": name, "published": published}
            values.append(known | score_values(cell))
    notes = (window_note(), SPREAD_NOTE, "Cells of the paper that its text has lost are empty.", _COMPARABLE,
             *stopped_notes(stopped))  # fmt: skip
    return Table(title="DAMO, Table 2", columns=columns, rows=tuple(rows), notes=notes, values=tuple(values))


def _circumstances(cells: Iterable[Cell | None]) -> tuple[str, ...]:
    """Seeds, steps, data, device and commit of the runs of a row; where they differ, all of them."""
    facts = [(cell.seeds, cell.steps, cell.data, cell.devices, cell.commits) for cell in cells if cell is not None]
    if not facts:
        return ("",) * 5
    return tuple("; ".join(dict.fromkeys(column)) for column in zip(*facts, strict=True))
