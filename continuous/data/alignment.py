"""Whether the actions of a dataset stand in the rows of the states they were taken in.

The change s' - s is fitted by least squares to the state and the action of its row, and, for comparison, to the state
and the action of the row before or after. Half of the rows are fitted, the other half judge. Where the actions are
shifted by a row against the states, which no other check can see, the fit with the shifted actions is far better.
The action of the next row knows the next state through the policy, whatever the dynamics: so it must win by more, and
with that part of it, too, that a linear fit to its own row's state leaves over. Where a policy without noise meets
noisy dynamics even that can happen to sound data; where actions change slowly (Adroit's hand) a shift can go unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from continuous.data.d4rl_data import D4RLData

_ROWS = 4000  # that are looked at
_ROWS_PER_COLUMN = 20  # of state and action; with fewer a fit says nothing
_LEAST_GAIN = 0.02  # explained by the action alone; what is less may be chance
_BEFORE = (1.5, 0.67)  # how many times more its action must explain, or what share of the rest it may leave
_AFTER = (2.5, 0.45)
_UNEXPECTED = 0.7  # of what its own action explains, to be explained by what is left over of the next row's


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How much of the variance of s' - s a linear fit explains on rows it has not seen, averaged over its columns.

    Negative where the fit is worse than the mean.
    """

    state: float  # from s alone
    aligned: float  # from s and the action of its row
    before: float  # from s and the action of the row before
    after: float  # from s and the action of the row after
    unexpected: float  # from s and what a linear fit to the state of the row after leaves over of its action


def measure_alignment(data: D4RLData) -> Alignment | None:
    """The four fits of a dataset; None where it has too few rows inside episodes, or nothing changes."""
    ended = data.terminals | data.timeouts
    rows: NDArray[np.int64] = np.flatnonzero(~(ended[:-2] | ended[1:-1])) + 1  # their neighbours are of their episode
    rows = rows[:: -(-len(rows) // _ROWS) or 1]
    if len(rows) < _ROWS_PER_COLUMN * (data.observations.shape[1] + data.actions.shape[1]):
        return None
    state = _standardized(data.observations[rows])
    following = data.observations[rows + 1] if data.next_observations is None else data.next_observations[rows]
    change = _standardized(following.astype(np.float64) - data.observations[rows])
    if not change.shape[1]:
        return None
    own, before, after = (_standardized(data.actions[rows + shift]) for shift in (0, -1, 1))
    unexpected = after - _fitted(_standardized(data.observations[rows + 1]), after)
    return Alignment(
        state=_explained(state, change),
        aligned=_explained(np.hstack((state, own)), change),
        before=_explained(np.hstack((state, before)), change),
        after=_explained(np.hstack((state, after)), change),
        unexpected=_explained(np.hstack((state, unexpected)), change),
    )


def describe_alignment(found: Alignment) -> str:
    """One line with the four numbers."""
    return (
        f"a linear fit explains {found.aligned:.1%} of s' - s from s and a, {found.state:.1%} from s alone, "
        f"{found.before:.1%} with the actions of the row before and {found.after:.1%} with those of the row after"
    )


def shifted_actions(found: Alignment) -> Iterator[str]:
    """What speaks for actions that are shifted against the states."""
    own = max(found.aligned - found.state, 0.0)
    if _wins(found, found.before, _BEFORE):
        yield "the actions seem to stand one row too early: those of the row before explain more of s' - s"
    if _wins(found, found.after, _AFTER) and found.unexpected - found.state > max(_UNEXPECTED * own, _LEAST_GAIN):
        yield "the actions seem to stand one row too late: those of the row after explain more of s' - s"


def _wins(found: Alignment, shifted: float, bounds: tuple[float, float]) -> bool:
    gain, own = shifted - found.state, max(found.aligned - found.state, 0.0)
    times, share = bounds
    return gain > _LEAST_GAIN and (gain > times * own or 1.0 - shifted < share * (1.0 - found.aligned))


def _standardized(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Columns of mean 0 and standard deviation 1, without those that never change, [n, <= C]."""
    table = values.astype(np.float64)
    spread = table.std(axis=0)
    moving = spread > 1e-6 * np.abs(table).max(axis=0, initial=0.0)
    standardized: NDArray[np.float64] = (table[:, moving] - table[:, moving].mean(axis=0)) / spread[moving]
    return standardized


def _fitted(inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a linear fit of centered targets gives, [n, targets]."""
    fitted: NDArray[np.float64] = inputs @ np.linalg.lstsq(inputs, targets, rcond=None)[0]
    return fitted


def _explained(inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """1 - mean squared error of a fit to the even rows on the odd ones, in which targets have variance 1."""
    with_constant = np.hstack((inputs, np.ones((len(inputs), 1))))
    weights = np.linalg.lstsq(with_constant[::2], targets[::2], rcond=None)[0]
    error = targets[1::2] - with_constant[1::2] @ weights
    return 1.0 - float(np.square(error).mean())
