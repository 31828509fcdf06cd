"""RAMBO's game on a finite MDP: a policy in the worst model near the fitted one, and the policy that is best there.

The paper's set holds every model whose squared total variation from the fitted one, averaged over the data, is at most
xi. Its minimum couples all pairs. Here each pair has a radius of its own (the set is rectangular), and then both sides
of the game are solved exactly: against a policy the worst rows take probability from the best next states and give it
to the worst one, for the value that follows; they are found by policy iteration on the adversary's side.  Source:
Rigter et al., "RAMBO-RL" (NeurIPS 2022), section 4; Iyengar, "Robust Dynamic Programming" (2005).
"""

from __future__ import annotations

import numpy as np

from ampl.errors import NotConvergedError
from tabular.exact.occupancy import action_value, state_value
from tabular.exact.policy import greedy_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import DenseDynamics, Floats, Policy, StateValue

_MOST_STEPS = 1000
_TIE = 1e-12  # of values, relative to their size: smaller differences change nothing


def worst_rows(dynamics: DenseDynamics, radius: Floats, value: StateValue) -> DenseDynamics:
    """The rows of least expected value within a total variation of the given ones, [S, A, S'].

    Args:
        dynamics: [S, A, S'].
        radius: of each pair, sup over events, [S, A], in [0, 1].
        value: V, [S'].
    """
    best_first = np.argsort(-value, kind="stable")
    rows = dynamics[:, :, best_first]
    before = np.cumsum(rows, axis=2) - rows
    taken = np.clip(radius[:, :, None] - before, 0.0, rows)
    taken[:, :, -1] = 0.0  # the worst state keeps what it has
    rows = rows - taken
    rows[:, :, -1] += taken.sum(axis=2)
    worst = np.empty_like(rows)
    worst[:, :, best_first] = rows
    return worst


def worst_model(model: FiniteMDP, radius: Floats, policy: Policy) -> FiniteMDP:
    """The model of the rectangular set in which a policy earns least, from every state at once.

    Args:
        model: the center of the set.
        radius: total variation (sup over events) of each pair, [S, A], in [0, 1].
        policy: [S, A].

    Raises:
        NotConvergedError: the adversary still changed its mind after many steps.
    """
    model = model.to_dense()
    worst, value = model, state_value(model, policy)
    before: set[bytes] = set()
    for _ in range(_MOST_STEPS):
        rows = worst_rows(model.dynamics, radius, value)
        gain = worst.expect_next(value) - rows @ value
        size = worst.expect_next(np.abs(value)) + rows @ np.abs(value)  # of the values that meet in a gain
        if not (gain > _TIE * size).any() or rows.tobytes() in before:  # rows that come back are ties
            return worst
        before.add(rows.tobytes())
        worst = model.with_dynamics(rows, f"worst {model.name}")
        value = state_value(worst, policy)
    raise NotConvergedError(f"the adversary of {model.name} still changed rows after {_MOST_STEPS} steps.")


def robust_optimum(model: FiniteMDP, radius: Floats) -> Policy:
    """A policy of the largest return in its own worst model, by robust policy iteration, [S, A].

    Raises:
        NotConvergedError: as above.
    """
    policy = greedy_policy(model.reward)
    before: set[bytes] = set()
    for _ in range(_MOST_STEPS):
        worst = worst_model(model, radius, policy)
        value = action_value(worst, policy)
        size = np.abs(model.reward) + model.discount * worst.expect_next(np.abs(value).max(axis=1))
        better = value.max(axis=1) > (policy * value).sum(axis=1) + 10.0 * _TIE * size.max(axis=1)
        if not better.any() or policy.tobytes() in before:
            return policy
        before.add(policy.tobytes())
        policy = np.where(better[:, None], greedy_policy(value), policy)
    raise NotConvergedError(f"the robust policy of {model.name} still changed after {_MOST_STEPS} steps.")
