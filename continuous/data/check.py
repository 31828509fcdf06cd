"""Diagnoses a dataset file: `ampl data check FILE`. Every column is read, and compared with what its task allows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.own_data import GivenData
from continuous.data.alignment import describe_alignment, measure_alignment, shifted_actions
from continuous.data.d4rl_data import D4RLData, Provenance
from continuous.data.d4rl_file import read_d4rl, read_provenance
from continuous.data.download_record import check_unchanged
from continuous.data.own_data import MINARI, actions_in_bounds, read_own
from continuous.data.plausibility import find_oddities, find_problems
from continuous.tasks.registry import TASKS, Task


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a check found in a file that can be read."""

    path: Path
    task: Task | None  # which task's data it was compared with; None: none's
    rows: int
    problems: list[str]  # reasons not to use it
    oddities: list[str]  # worth knowing
    facts: list[str]  # how it was found


def diagnose(path: Path, task: Task | None = None) -> Diagnosis:
    """Reads every column of a file, or of a folder with a Minari dataset, and judges it.

    Args:
        path: the file; minari:ID is a local Minari dataset.
        task: what it should hold; guessed from its own record and its name if not given.

    Raises:
        InvalidFileError: it cannot be read as a dataset at all.
        InvalidArgumentError: a task is given for a Minari dataset.
    """
    if str(path).startswith(MINARI) or path.is_dir():
        if task is not None:
            raise InvalidArgumentError(
                f"--task is given, but {path} is a Minari dataset, of no task of D4RL; leave it out."
            )
        if not path.is_dir():
            return _judge(path, read_own(str(path), None), None, None)
        from continuous.data.minari_data import read_minari

        return _judge(path, read_minari(path), None, None)
    check_unchanged(path)
    provenance = read_provenance(path)
    task = task or guess_task(path, provenance)
    data = read_d4rl(path, task)
    found = _judge(path, data, task, provenance)
    found.problems.extend(_broken_infos(data))
    return found


def diagnose_own(path: Path, env: str) -> Diagnosis:
    """Judges data of the user's own as a training does that is evaluated in an environment.

    Args:
        path: the file; minari:ID is a local Minari dataset.
        env: a Gymnasium environment, or MODULE:FUNCTION that makes one.

    Raises:
        AmplError: what a training would be refused for.
    """
    from continuous.data.own_problem import open_own

    task = open_own(GivenData(data=str(path), env=env), path.stem)
    own, data = task.own, read_own(str(path), task.episode_limit)
    assert own is not None
    actions_in_bounds(own, data)
    found = _judge(path, data, None, None, cut=True)
    found.problems.extend(_broken_infos(data))
    found.facts.extend(own.notes)
    return found


def _judge(
    path: Path, data: D4RLData, task: Task | None, provenance: Provenance | None, *, cut: bool = False
) -> Diagnosis:
    """What speaks against the data; `cut`: a known limit has cut their episodes."""
    problems, oddities = find_problems(data, task, provenance), find_oddities(data, task, cut=cut)
    alignment = None if problems else measure_alignment(data)
    facts = [] if alignment is None else [describe_alignment(alignment)]
    oddities += [] if alignment is None else shifted_actions(alignment)
    return Diagnosis(path=path, task=task, rows=data.n_rows, problems=problems, oddities=oddities, facts=facts)


def guess_task(path: Path, provenance: Provenance | None) -> Task | None:
    """The task whose recipe made the file, or that has a file of this name."""
    if provenance is not None and provenance.recipe in TASKS:
        return TASKS[provenance.recipe]
    return next((task for task in TASKS.values() if task.file_name == path.name), None)


def _broken_infos(data: D4RLData) -> list[str]:
    problems = []
    for name in data.infos:
        try:
            values = data.infos[name]
        except InvalidFileError as error:
            problems.append(str(error))
            continue
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            problems.append(f"'infos/{name}' is not finite everywhere")
    return problems
