"""Whether the numbers of a dataset can be what its task produces: catches files of another task and damaged values.

Shapes alone cannot tell a walker2d file from a halfcheetah one, or one maze from another; these checks can. Each
allows one row in a thousand to fail by rounding. Source of the facts: D4RL's environments and dataset notes, and the
HIV task's own reward.

A dynamics model divides each column by its standard deviation. One number a million times larger than the others takes
all of that deviation, and what is left of the others is lost in float32; the networks of policies and critics, which
see states as they are, overflow. Sound columns can be mostly zero (contact forces, sparse rewards), so a number is
compared with the median of those that are not zero, and never with less than 1.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from continuous.data.d4rl_data import D4RLData, Flags, Provenance
from continuous.data.episodes import find_episodes
from continuous.data.next_states import odd_next_states, wrong_next_states
from continuous.environments.hiv.treatment import HivConfig, clipped_efficacy, treatment_reward
from continuous.environments.maze2d.layouts import CELL_EDGE, find_layout
from continuous.environments.maze2d.rewards import Reward
from continuous.environments.maze2d.steps import repeats, steps
from continuous.tasks.registry import LOCOMOTION, Family, Task
from continuous.tasks.termination import find_termination, walker2d

_logger = logging.getLogger(__name__)

_ACTION_SLACK = 1e-3  # beyond [-1, 1]
_REWARD_SLACK = 1e-4
_TOLERATED = 1000  # one row in so many may fail
_HOPELESS = 1e6  # times its column's median; nothing else of the column survives in float32
_SUSPECT = 1e3
_LARGE_UNITS = 1e4  # a median beyond it; the networks of policies and critics take states and rewards as they are
_OVERFLOW = 1e12  # its square, summed over an episode and squared again by a critic's loss, leaves float32
_MEDIAN_ROWS = 10_000  # on which medians are measured


def find_problems(data: D4RLData, task: Task | None, provenance: Provenance | None) -> list[str]:
    """Why a dataset cannot be used, as data of a task if one is named; empty if nothing speaks against it."""
    problems = [*overlarge_numbers(data), *wrong_next_states(data)]
    if task is None:
        return problems
    problems = [*_wrong_recipe(task, provenance), *_wrong_actions(data), *problems]
    if task.family in LOCOMOTION:
        problems += _wrong_robot(data, task)
    if task.family is Family.MAZE2D:
        problems += [*_wrong_maze(data, task), *_wrong_rewards(data, task)]
    if task.family is Family.TREATMENT:
        problems += _wrong_treatment(data)
    return problems


def check_plausible(data: D4RLData, task: Task | None, provenance: Provenance | None, path: Path | str) -> None:
    """Raises InvalidFileError with the first of `find_problems`; what is only suspect is logged."""
    for problem in find_problems(data, task, provenance):
        raise InvalidFileError(f"{path} cannot be {f'data of {task.name}' if task else 'used'}: {problem}.")
    for oddity in (*suspect_numbers(data), *odd_next_states(data), *_long_episodes(data, task)):
        _logger.warning("%s: %s.", path, oddity)


def find_oddities(data: D4RLData, task: Task | None, *, cut: bool = False) -> list[str]:
    """What is worth knowing about a dataset, but no reason to refuse it; `cut`: a known limit has cut its episodes."""
    oddities = [*suspect_numbers(data), *odd_next_states(data)]
    if task is None:
        return [*(() if cut else _unmarked_cuts(data)), *oddities]
    oddities += _odd_episodes(data, task)
    if task.family in (*LOCOMOTION, Family.TREATMENT) and data.next_observations is None:
        oddities.append("next_observations are missing; D4RL's files of this family have them")
    if task.family is Family.MAZE2D:
        oddities += _repeated_rows(data)
    return oddities


def overlarge_numbers(data: D4RLData) -> Iterator[str]:
    """The columns with numbers that nothing can be learned beside."""
    for what, row, value, median in _largest(data):
        if value > min(_HOPELESS * median, _OVERFLOW):
            yield f"{_described(what, row, value, median)}; training would see nothing else. Mend or remove the episode"


def suspect_numbers(data: D4RLData) -> Iterator[str]:
    """The columns with numbers that are worth a look."""
    for what, row, value, median in _largest(data):
        if value > min(_HOPELESS * median, _OVERFLOW):
            continue
        if value > _SUSPECT * median:
            yield f"{_described(what, row, value, median)}; a model divides the column by its standard deviation"
        elif median > _LARGE_UNITS:
            yield f"half of the numbers of {what} are beyond {median:.3g}; networks learn best in units near 1"


def _described(what: str, row: int, value: float, median: float) -> str:
    return f"{what} is {value:.3g} in size in row {row}, where half of its numbers are below {median:.3g}"


def _largest(data: D4RLData) -> Iterator[tuple[str, int, float, float]]:
    """Each column that reaches beyond `_SUSPECT`: its name, and its largest absolute value, where, and beside what."""
    for name in ("observations", "next_observations", "rewards", "actions"):
        values = getattr(data, name)
        if values is None or max(values.max(), -values.min()) <= _SUSPECT:  # a fast look at all columns at once
            continue
        table = values.reshape(len(values), -1)
        for column in np.flatnonzero(np.maximum(table.max(axis=0), -table.min(axis=0)) > _SUSPECT):
            sizes = np.abs(table[:, column])
            row = int(sizes.argmax())
            what = name if values.ndim == 1 else f"column {column} of {name}"
            yield what, row, float(sizes[row]), _median(sizes)


def _median(sizes: NDArray[np.float32]) -> float:
    """Of the numbers that are not zero, and at least 1."""
    sample = sizes[:: -(-len(sizes) // _MEDIAN_ROWS)]
    return max(float(np.median(sample[sample > 0.0])) if sample.any() else 0.0, 1.0)


def _wrong_recipe(task: Task, provenance: Provenance | None) -> Iterator[str]:
    if provenance is not None and provenance.recipe != task.name:
        yield f"it was made by the recipe of {provenance.recipe}, not of {task.name}"


def _wrong_actions(data: D4RLData) -> Iterator[str]:
    largest = float(np.abs(data.actions).max())
    if largest > 1.0 + _ACTION_SLACK:
        yield f"an action entry is {largest:g} in size; all lie in [-1, 1]"


def _wrong_robot(data: D4RLData, task: Task) -> Iterator[str]:
    """No step starts from a state where the episode would have ended, and a terminal step leads to one."""
    terminal = find_termination(task)
    if _too_many(ended := terminal(data.observations)):
        yield f"{_rows(ended)} start in states where {task.robot} has ended already; it may be another robot's file"
    if task.robot == "halfcheetah":
        if data.terminals.any():
            yield f"{_rows(data.terminals)} are terminal; {task.robot} never ends by itself"
        elif not walker2d(data.observations).any():
            yield "every state has the height and angle of a walker2d; it may be another robot's file"
    elif data.next_observations is not None:
        wrong = terminal(data.next_observations) != data.terminals
        wrong &= ~data.timeouts  # at the time limit a fall counts as time-out
        if _too_many(wrong):
            yield f"{_rows(wrong)} have a terminal flag that does not fit their next observation"


def _wrong_treatment(data: D4RLData) -> Iterator[str]:
    """Rewards follow from the actions and the observations after them; no step is terminal."""
    if data.terminals.any():
        yield f"{_rows(data.terminals)} are terminal; a treatment never ends by itself"
    if data.next_observations is None:
        yield "next_observations are missing; the rewards of a treatment belong to them"
        return
    states = np.exp(data.next_observations.astype(np.float64))
    efficacies = clipped_efficacy(data.actions.astype(np.float64))
    expected = treatment_reward(states, efficacies, HivConfig.mopo())  # [N]
    wrong = np.abs(data.rewards - expected) > _REWARD_SLACK * (1.0 + np.abs(expected))
    if _too_many(wrong):
        yield f"{_rows(wrong)} have another reward than the treatment's; it may be another task's file"


def _wrong_maze(data: D4RLData, task: Task) -> Iterator[str]:
    layout = find_layout(task.robot)
    n_rows, n_columns = layout.shape
    cells = np.floor(data.observations[:, :2].astype(np.float64) + CELL_EDGE)  # [N, 2]
    inside = np.all((cells >= 0) & (cells < (n_rows, n_columns)), axis=1, keepdims=True)  # [N, 1]
    i, j = np.where(inside, cells, 0).astype(np.int64).T  # cell (0, 0) is a wall
    free = np.zeros((n_rows, n_columns), dtype=np.bool_)
    free[tuple(np.transpose(layout.free_cells))] = True
    if _too_many(wrong := ~free[i, j]):
        yield f"{_rows(wrong)} lie inside the walls of {task.robot}; it may be another maze's file"


def _wrong_rewards(data: D4RLData, task: Task) -> Iterator[str]:
    """Rewards belong to the position before each step, as published, or after it, as the environment pays."""
    expected = Reward(task.dataset).at(data.observations[:, :2], find_layout(task.robot).goal)  # [N]
    before = np.abs(data.rewards - expected) > _REWARD_SLACK
    inside = ~(data.terminals | data.timeouts)[:-1]
    inside[1:] &= inside[:-1]  # after an end the next row may span two steps
    after = inside & (np.abs(data.rewards[:-1] - expected[1:]) > _REWARD_SLACK)
    if _too_many(before) and _too_many(after):
        yield f"{_rows(before)} have another reward than the {task.dataset} one; it may be another task's file"


def _repeated_rows(data: D4RLData) -> Iterator[str]:
    repeated, one_step = repeats(data.observations), steps(data.observations)
    if repeated.any():
        yield f"{_rows(repeated)} repeat the observation before them, as in D4RL's own files"
    if one_step is None:
        return
    joined = ~(one_step | data.terminals[:-1] | data.timeouts[:-1])
    joined[1:] &= ~repeated[:-1]
    if joined.any():
        yield f"{_rows(joined)} are not followed by one step of the maze, and no time-out says so"


def _odd_episodes(data: D4RLData, task: Task) -> Iterator[str]:
    if not data.timeouts_stored and task.family is Family.MAZE2D:
        yield f"time-outs are missing; {_rows(data.timeouts)} count as targets reached: no step of the maze follows"
    elif not data.timeouts_stored:
        yield f"time-outs are missing; they are counted from the limit of {task.episode_limit} steps"
    if _any(both := data.terminals & data.timeouts):
        yield f"{_rows(both)} have a terminal and a time-out"
    yield from _long_episodes(data, task)
    if task.family is Family.MAZE2D and _any(data.terminals):
        yield f"{_rows(data.terminals)} are terminal; in the maze that marks targets reached, and no end"


def _long_episodes(data: D4RLData, task: Task | None) -> Iterator[str]:
    """D4RL's own files have them in Adroit, and in the maze, where a time-out is a target reached."""
    if task is None or task.family in (Family.ADROIT, Family.MAZE2D):
        return
    longest = int(find_episodes(data).length.max())
    if longest > task.episode_limit:
        yield f"the longest episode has {longest} steps, the time limit is {task.episode_limit}: time-outs seem missing"


def _unmarked_cuts(data: D4RLData) -> Iterator[str]:
    """Without a task no limit tells whether time-outs are missing."""
    episodes = find_episodes(data)
    if not data.timeouts_stored:
        rest = episodes.length[~episodes.complete].sum()
        yield (
            f"time-outs are missing, and no time limit is known here: the {rest} rows after the last terminal count as "
            "one incomplete episode; training cuts at the limit of the environment (--env)"
        )
    elif not data.timeouts.any():
        longest = episodes.length.max()
        yield f"no row has a time-out, and the longest episode has {longest} rows; mark those where one was cut"


def _any(flags: Flags) -> bool:
    return bool(flags.any())


def _too_many(wrong: NDArray[Any]) -> bool:
    return int(wrong.sum()) > len(wrong) // _TOLERATED


def _rows(flags: NDArray[np.bool_]) -> str:
    return f"{int(flags.sum())} rows (first {int(flags.argmax())})"
