"""Solves (I - discount * P) x = b without subtractions, so that a discount next to one costs no accuracy.

Gaussian elimination in the order of Grassmann, Taksar and Heyman: states are taken out of the chain one by one, and
what a state did is given to those that lead to it. Three facts make every pivot a sum of positive numbers: rows of P
sum to one, every step ends with probability 1 - discount, and staying where one is needs no number of its own. Where
the right-hand side is nonnegative, as it is for occupancies, every entry of the solution is accurate relative to
itself, whatever the discount: I - discount * P is never formed, whose condition number is about 2 / (1 - discount).

Each state costs a few products of arrays: a moment for hundreds of states, minutes for thousands.
Source: Grassmann, Taksar, Heyman (1985), Operations Research 33(5); O'Cinneide (1993), Numerische Mathematik 65.
"""

from __future__ import annotations

import numpy as np

from tabular.types import Floats


def with_exact_rows(dynamics: Floats) -> Floats:
    """P with the diagonal that makes each row sum to one, which is what the elimination solves for; [S, S']."""
    exact = dynamics.copy()
    np.fill_diagonal(exact, 0.0)
    np.fill_diagonal(exact, 1.0 - exact.sum(axis=1))
    return exact


def solve_by_elimination(dynamics: Floats, right_hand_side: Floats, discount: float, *, transpose: bool) -> Floats:
    """x of (I - discount P) x = b, or of (I - discount P^T) x = b with `transpose`, [S].

    Args:
        dynamics: P, dense [S, S'], nonnegative; its diagonal is not read: it is what the rest of a row leaves of one.
        right_hand_side: b, [S], any unit.
        discount: in [0, 1).
        transpose: whether to propagate mass forward (occupancies) rather than values backward.
    """
    moves, pivots = _eliminated(dynamics, discount)
    return _mass(moves, pivots, right_hand_side) if transpose else _values(moves, pivots, right_hand_side)


def _eliminated(dynamics: Floats, discount: float) -> tuple[Floats, Floats]:
    """The factors: rows left of the diagonal go to lower states, columns above it are visits per visit; and pivots.

    The last state goes first. Entry [k, j < k] is the chance of moving from k to j in the chain of the states up to k;
    entry [i < k, k] is how often k is visited from i before i moves on.
    """
    moves = discount * dynamics
    ending = np.full(len(moves), 1.0 - discount)  # chance that the discounted chain ends next
    pivots = np.empty(len(moves))
    for state in range(len(moves) - 1, 0, -1):
        pivots[state] = moves[state, :state].sum() + ending[state]
        moves[:state, state] /= pivots[state]
        visits = moves[:state, state]
        moves[:state, :state] += visits[:, None] * moves[state, :state]
        ending[:state] += visits * ending[state]
    pivots[0] = ending[0]
    return moves, pivots


def _values(moves: Floats, pivots: Floats, right_hand_side: Floats) -> Floats:
    gathered = right_hand_side.astype(np.float64)  # a copy
    for state in range(len(pivots) - 1, 0, -1):
        gathered[:state] += moves[:state, state] * gathered[state]
    for state in range(len(pivots)):
        gathered[state] = (gathered[state] + moves[state, :state] @ gathered[:state]) / pivots[state]
    return gathered


def _mass(moves: Floats, pivots: Floats, right_hand_side: Floats) -> Floats:
    arrived = right_hand_side.astype(np.float64)  # a copy
    for state in range(len(pivots) - 1, -1, -1):
        arrived[state] /= pivots[state]
        arrived[:state] += moves[state, :state] * arrived[state]
    for state in range(1, len(pivots)):
        arrived[state] += moves[:state, state] @ arrived[:state]
    return arrived
