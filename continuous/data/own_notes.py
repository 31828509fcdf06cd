"""What readers of results on data of the user's own must know of environment, actions, rule and rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from continuous.data.d4rl_data import D4RLData
from continuous.data.transitions import model_rows
from continuous.environments.own import Survey
from continuous.tasks.own import scaled
from continuous.tasks.registry import Own
from continuous.tasks.termination import UNKNOWN, own_rule


def environment_notes(own: Own, found: Survey | None, limit: int) -> Iterator[str]:
    """What readers of the results must know of the environment, and of what stands in for it."""
    if found is None:
        yield "no environment is named (--env none): policies are not evaluated"
    else:
        yield f"data of your own, evaluated in {found.name}"
        yield from found.notes
        if found.episode_limit is None:
            yield f"{found.name} has no time limit: episodes are cut after {limit} steps, the longest in the data"
    if own.bounds != "environment":
        where = "" if own.bounds == "data" else " where the environment does not bound them"
        yield f"actions are bounded by the data's range{where}: {_range(own)} becomes [-1, 1]"
    elif (set(own.action_low), set(own.action_high)) != ({-1.0}, {1.0}):
        yield f"actions are trained in [-1, 1] and act in the environment's units, {_range(own)}"


def _range(own: Own) -> str:
    pairs = dict.fromkeys(zip(own.action_low, own.action_high, strict=True))
    text = ", ".join(f"[{low:g}, {high:g}]" for low, high in list(pairs)[:4])
    return f"{text}, ..." if len(pairs) > 4 else text


def data_notes(own: Own, data: D4RLData) -> Iterator[str]:
    """Where the rule and the data's terminal flags say different things, and what the flags cannot tell."""
    rows = model_rows(data)  # those with a next state
    lost = data.terminals.copy()
    lost[rows] = False
    ended = data.terminals | data.timeouts
    ended[rows] = True
    if repeated := int((~ended[:-1]).sum()):
        yield (
            f"{repeated} rows are left out: they repeat the observation before them across the end of an episode, as "
            "in D4RL's mazes, where two steps lie behind such a row (store next_observations)"
        )
    if lost.any():
        yield f"{lost.sum()} terminal rows are left out: they have no next observation (store next_observations)"
    if own.termination == UNKNOWN:
        return
    following = data.observations[rows + 1] if data.next_observations is None else data.next_observations[rows]
    says = own_rule(own)(data.observations[rows], scaled(own, data.actions[rows]).astype(np.float32), following)
    cut = data.timeouts[rows] & ~data.terminals[rows]  # a fall at the time limit may count as time-out
    wrong = (says != data.terminals[rows]) & ~cut
    count, total = int(wrong.sum()), len(rows)
    if own.termination == "never" and lost.any():
        count, total = count + int(lost.sum()), total + int(lost.sum())
    if count:
        first = f", first in row {rows[wrong][0]}" if wrong.any() else ""
        yield (
            f"the rule of termination '{own.termination}' disagrees with the data's terminal flags in {count} of "
            f"{total} rows ({count / total:.2%}{first})"
        )
