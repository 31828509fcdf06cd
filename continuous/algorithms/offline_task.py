"""From a task's name to its data and surroundings, for the model-based algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ampl.arithmetic import Arithmetic
from continuous.algorithms.surroundings import Surroundings
from continuous.data.dataset import DeviceDataset, load_dataset
from continuous.data.transitions import TransitionMode
from continuous.environments.registry import kept_simulator
from continuous.evaluation.evaluator import Evaluation, task_evaluator
from continuous.replay.buffers import TransitionTable
from continuous.tasks.registry import Task
from continuous.tasks.termination import bounded, find_termination


def offline_task(
    task: Task,
    *,
    device: str,
    arithmetic: Arithmetic,
    scaled: bool,
    notes: Sequence[str],
    transitions: TransitionMode,
    largest_state: float | None = None,
    episode_starts: bool = False,
) -> tuple[TransitionTable, Surroundings]:
    """The data of a task with its own rewards, and what a run on it needs.

    Args:
        task: whose dataset is searched in D4RL's cache folders.
        device: "cpu" or "cuda".
        arithmetic: threads, which step simulators too, and precision.
        scaled: whether the run is smaller than the published ones.
        notes: for the user.
        transitions: which ones to take from the file.
        largest_state: paths of the model end where any |s'_i| reaches it; None: by the task's rule alone.
        episode_starts: whether the table's start states are where the data's episodes begin, or all of its states.

    Raises:
        InvalidFileError: no dataset, or a damaged one.
    """
    dataset = load_dataset(task, mode=transitions, device=device)
    rule = find_termination(task)
    kept_simulator(task, arithmetic.threads)  # what the task lacks is said at once
    surroundings = Surroundings(
        termination=rule if largest_state is None else bounded(rule, largest_state),
        evaluator=partial(task_evaluator, task, arithmetic.threads),
        score=partial(Evaluation.metrics, task=task, discounted=True),
        episode_limit=task.episode_limit,
        description=describe(dataset) | {"scaled": scaled},
        dataset_sha256=dataset.sha256,
        arithmetic=arithmetic,
        notes=notes,
    )
    return _table(dataset, episode_starts), surroundings


def _table(dataset: DeviceDataset, episode_starts: bool) -> TransitionTable:
    """Start states are the data's own: these algorithms know no simulator."""
    return TransitionTable.from_columns(
        state=dataset.state,
        action=dataset.action,
        reward=dataset.reward,
        next_state=dataset.next_state,
        terminal=dataset.terminal,
        start_state=dataset.start_state if episode_starts else dataset.state,
    )


def describe(dataset: DeviceDataset) -> dict[str, Any]:
    """What config.json says of the data."""
    provenance = dataset.provenance
    source = "unknown" if provenance is None else provenance.source
    facts = {"source": source, "transitions": dataset.n_transitions, "sha256": dataset.sha256}
    returns = dataset.episode_returns
    if returns is None:
        return facts
    return facts | {"episode_return_mean": float(returns.mean()), "episode_return_max": float(returns.max())}
