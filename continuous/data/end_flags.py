"""Where the task ended and where episodes were cut, from whichever columns of a file tell it.

Time-outs that nothing tells of are counted from the task's time limit. In the maze, which has no ends but only targets
that the controller reached, they are seen in the rows themselves: D4RL's script repeats the observation after each
target, and a row whose successor is not one step of the simulator away has none in the file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from continuous.data.column_names import CUTS, MEANINGS, Meaning
from continuous.data.d4rl_data import Flags, Floats
from continuous.environments.maze2d.steps import pairs_without_a_step
from continuous.tasks.registry import Family, Task

_logger = logging.getLogger(__name__)


def find_ends(columns: Mapping[str, NDArray[Any]], rows: int, path: Path) -> tuple[Flags, Flags | None]:
    """Terminals and time-outs, [N] each; no time-outs where no column tells of them.

    Args:
        columns: by key, [N] each: flags, or numbers of episodes. One at least tells of terminals. The first of
            several that agree is taken.
        rows: N.
        path: the file, for messages.

    Raises:
        InvalidFileError: two columns contradict each other, or differ in length.
    """
    meanings = {key: MEANINGS[key.removeprefix("infos/")] for key in columns}
    for key, column in columns.items():
        if len(column) != rows:
            raise InvalidFileError(
                f"{path}: '{key}' has {len(column)} rows and 'observations' {rows}; expected the same."
            )
    terminals = _one_of({key: columns[key] for key in columns if meanings[key] is Meaning.TERMINAL}, path)
    cuts = {}
    for key, meaning in meanings.items():
        if meaning in CUTS or (meaning is Meaning.TERMINAL_OR_END and not np.array_equal(columns[key], terminals)):
            cuts[key] = _cuts(key, columns[key], meaning, terminals, path)
    if not cuts:
        return terminals, None
    if "timeouts" not in cuts:
        _logger.warning("%s: time-outs are taken from '%s'.", path, next(iter(cuts)))
    return terminals, _one_of(cuts, path, ~terminals)


def count_timeouts(terminals: Flags, limit: int) -> Flags:
    """Time-outs as a time limit makes them, [N].

    Args:
        terminals: [N].
        limit: steps of an episode.
    """
    rows = np.arange(len(terminals))
    starts = np.concatenate(([0], np.flatnonzero(terminals) + 1))  # of what lies between two terminals
    step = rows - starts[np.searchsorted(starts, rows, side="right") - 1]
    return ((step + 1) % limit == 0) & ~terminals


def missing_timeouts(
    terminals: Flags, observations: Floats, task: Task | None, path: Path, episode_limit: int | None = None
) -> tuple[Flags, Flags]:
    """Terminals and time-outs, [N] each, of a file that tells of no time-outs.

    In the maze they are those of D4RL's published files: there is no terminal, and a time-out where a target was
    reached. D4RL's script leaves these marks in `terminals`, or none at all. Where no limit is known, there are none:
    what follows the last terminal is one episode, and incomplete.

    Args:
        terminals: as the file has them, [N].
        observations: [N, D].
        task: whose data they are.
        path: the file, for messages.
        episode_limit: the time limit where no task is given; None: not known.
    """
    limit = episode_limit if task is None else task.episode_limit
    if limit is None:
        return terminals, np.zeros_like(terminals)
    if task is None or task.family is not Family.MAZE2D:
        _logger.warning("%s has no time-outs; episodes are cut every %d steps.", path, limit)
        return terminals, count_timeouts(terminals, limit)
    timeouts = terminals.copy()
    timeouts[:-1] |= pairs_without_a_step(observations)
    _logger.warning("%s has no time-outs; %d rows are followed by no step of the maze.", path, timeouts.sum())
    return np.zeros_like(terminals), timeouts


def _cuts(key: str, column: NDArray[Any], meaning: Meaning, terminals: Flags, path: Path) -> Flags:
    """Time-outs from a column that tells of them in its own way, [N]; both flags are kept where a file has both."""
    if meaning is Meaning.TIMEOUT:
        return column
    if meaning is Meaning.START:
        ended = np.append(column[1:], terminals[-1:])
    elif meaning is Meaning.NUMBER:
        ended = np.append(column[1:] != column[:-1], terminals[-1:])
    else:
        ended = column
    unmarked = np.flatnonzero(terminals & ~ended)
    if len(unmarked):
        raise InvalidFileError(
            f"{path}: row {unmarked[0]} is terminal, and by '{key}' no episode ends there; correct one of the two."
        )
    return ended & ~terminals


def _one_of(columns: Mapping[str, Flags], path: Path, where: Flags | None = None) -> Flags:
    """The first of several columns that say the same, [N]; compared `where` that is said, and not in the last row."""
    (first, column), *others = columns.items()
    for key, other in others:
        differ = column != other if where is None else (column != other) & where
        if differ[:-1].any():
            raise InvalidFileError(
                f"{path}: '{first}' and '{key}' contradict each other, first in row {differ.argmax()}; "
                "remove the wrong one."
            )
    return column
