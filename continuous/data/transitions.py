"""From the rows of a D4RL file to a table of transitions (s, a, r, s') on a device.

Two modes. EXACT gives what D4RL's `qlearning_dataset` gives, row for row, for comparison with published numbers: the
next state is always the next row of the file, so after a terminal it belongs to another episode (harmless where
the target is masked, wrong for a dynamics model). MODEL gives only transitions that the environment made: true next
states where the file has them, and no pair of rows across the end of an episode.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, InvalidFileError
from continuous.data.d4rl_data import D4RLData, Flags
from continuous.data.episodes import completeness_of_rows, return_of_rows, start_states
from continuous.replay.buffers import TransitionTable
from continuous.tasks.registry import Family, Task, TransitionMode


def transition_table(
    data: D4RLData, task: Task, mode: TransitionMode = TransitionMode.MODEL, device: torch.device | str = "cpu"
) -> TransitionTable:
    """The transitions of a dataset, and the states that its episodes start from.

    Args:
        data: the file.
        task: whose file it is.
        mode: which transitions to take.
        device: where the table lives.

    Raises:
        InvalidFileError: the file holds none.
        InvalidArgumentError: the device is not there.
    """
    exact = mode is TransitionMode.EXACT
    rows = exact_rows(data, task) if exact else model_rows(data)
    if not len(rows):
        raise InvalidFileError(f"the dataset of {task.name} has {data.n_rows} rows and no transition in them.")
    following = None if exact else data.next_observations
    columns: dict[str, NDArray[Any]] = {
        "state": data.observations[rows],
        "action": data.actions[rows],
        "reward": data.rewards[rows],
        "next_state": data.observations[rows + 1] if following is None else following[rows],
        "terminal": data.terminals[rows],  # a time-out is no end
        "start_state": start_states(data),
        "episode_return": return_of_rows(data)[rows].astype(np.float32),
        "episode_complete": completeness_of_rows(data)[rows],
    }
    try:
        return TransitionTable(**{name: torch.from_numpy(column).to(device) for name, column in columns.items()})
    except (RuntimeError, AssertionError) as error:
        raise InvalidArgumentError(f"device '{device}' cannot be used: {error}") from error


def exact_rows(data: D4RLData, task: Task) -> NDArray[np.int64]:
    """The rows that D4RL's `qlearning_dataset` takes, [n].

    The last row is never used, `next_observations` neither. Rows that end by time-out are dropped even when they are
    terminal too.

    Args:
        data: the file.
        task: its time limit counts where the file has no time-outs. In the maze they are found in the rows instead, so
            that such a file gives what D4RL's published one gives.
    """
    known = data.timeouts_stored or task.family is Family.MAZE2D
    ended = data.timeouts if known else _counted_ends(data.terminals, task.episode_limit)
    return np.flatnonzero(~ended[:-1])


def model_rows(data: D4RLData) -> NDArray[np.int64]:
    """Every row that is one step of the environment, [n].

    With `next_observations` these are all rows. Without, a row at the end of an episode has no next state and is
    dropped, and so is a row that repeats the observation before such an end: D4RL's maze2d script writes one after
    each target, and from it to the next row the simulator makes two steps (D4RL issue 204).
    """
    if data.next_observations is not None:
        return np.arange(data.n_rows)
    ended = (data.terminals | data.timeouts)[:-1]
    keep = ~ended
    after = np.flatnonzero(ended) + 1
    repeats = after[(data.observations[after] == data.observations[after - 1]).all(axis=1)]
    keep[repeats[repeats < len(keep)]] = False
    return np.flatnonzero(keep)


def _counted_ends(terminals: Flags, limit: int) -> Flags:
    """Time-outs as D4RL's own step counter sees them in a file that stores none, [N].

    The counter is set to 0 at a terminal and incremented in the same pass, so the row after it counts 1 and the next
    time-out comes one step early; after a dropped row it counts 0. Source: D4RL's qlearning_dataset.

    Args:
        terminals: of the file, [N].
        limit: steps of an episode.
    """
    ended = np.zeros(len(terminals), dtype=np.bool_)
    start, count = 0, 0  # first row after a terminal, and what the counter says there
    for stop in [*(np.flatnonzero(terminals) + 1).tolist(), len(terminals)]:
        ended[start + limit - 1 - count : stop : limit] = True
        start, count = stop, 0 if ended[stop - 1] else 1
    return ended
