"""Policies on finite MDPs: arrays [S, A] whose rows sum to one, and the exact optimal one."""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError, NotConvergedError, check_at_least, check_fraction
from ampl.real_numbers import integer_array, real_array, real_number
from tabular.exact.linear_solvers import NEAR_ONE
from tabular.exact.occupancy import one_step_value, relative_value, state_value
from tabular.mdps.generators import random_rows
from tabular.mdps.mdp import FiniteMDP
from tabular.types import ActionValue, Floats, Integers, Policy


def uniform_policy(mdp: FiniteMDP) -> Policy:
    """Every action equally likely in every state, [S, A]."""
    return np.full((mdp.n_states, mdp.n_actions), 1.0 / mdp.n_actions)


def random_policy(n_states: int, n_actions: int, generator: np.random.Generator, concentration: float = 1.0) -> Policy:
    """Rows drawn from a symmetric Dirichlet, [S, A]; a small concentration gives nearly deterministic rows."""
    return random_rows((n_states, n_actions), generator, concentration)


def deterministic_policy(actions: Integers, n_actions: int) -> Policy:
    """The policy that takes `actions[s]` in state s: [S] to [S, A].

    Raises:
        InvalidArgumentError: actions that are no integers, or outside 0..A-1.
        InvalidShapeError: they are not [S].
    """
    actions = integer_array("actions", actions)
    if actions.ndim != 1 or not actions.size:
        raise InvalidShapeError(f"actions has shape {actions.shape}; expected [S], one action a state.")
    if actions.min() < 0 or actions.max() >= n_actions:
        raise InvalidArgumentError(f"actions range over {actions.min()}..{actions.max()}; expected 0..{n_actions - 1}.")
    return np.eye(n_actions)[actions]


def softmax_policy(logits: Floats, temperature: float = 1.0) -> Policy:
    """pi(a|s) proportional to exp(logits / temperature), [S, A] to [S, A]; temperature > 0 in the logits' unit.

    Raises:
        InvalidArgumentError: logits or a temperature that are no real numbers, or a temperature <= 0.
        InvalidShapeError: logits that are not [S, A].
    """
    if not real_number("temperature", temperature) > 0.0:
        raise InvalidArgumentError(f"temperature is {temperature!r}; expected a positive number.")
    scaled = _table("logits", logits) / temperature
    unnormalized = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return unnormalized / unnormalized.sum(axis=1, keepdims=True)


def greedy_policy(value: ActionValue) -> Policy:
    """The first maximizing action in each state, [S, A] to [S, A].

    Raises:
        InvalidArgumentError: values that are no real numbers.
        InvalidShapeError: values that are not [S, A].
    """
    value = _table("value", value)
    return deterministic_policy(value.argmax(axis=1), value.shape[1])


def mix_policies(first: Policy, second: Policy, share: float) -> Policy:
    """(1 - share) first + share second, state by state, [S, A]."""
    check_fraction("share", share)
    return (1.0 - share) * real_array("first", first) + share * real_array("second", second)


def epsilon_greedy_policy(value: ActionValue, epsilon: float) -> Policy:
    """The greedy action with probability 1 - epsilon, otherwise a uniform one, [S, A] to [S, A].

    Raises:
        InvalidArgumentError: values that are no real numbers, or an epsilon outside [0, 1].
        InvalidShapeError: values that are not [S, A].
    """
    check_fraction("epsilon", epsilon)
    value = _table("value", value)
    return mix_policies(greedy_policy(value), np.full(value.shape, 1.0 / value.shape[1]), epsilon)


def maximum_likelihood_policy(counts: Integers) -> Policy:
    """pi_b(a|s) = N(s, a) / N(s), [S, A] to [S, A]; uniform in states that were never seen.

    Raises:
        InvalidArgumentError: counts that are no real numbers, not finite, or negative.
        InvalidShapeError: counts that are not [S, A].
    """
    times = _table("counts", counts)
    bad = ~(np.isfinite(times) & (times >= 0.0))
    if bad.any():
        state, action = (int(i) for i in np.argwhere(bad)[0])
        raise InvalidArgumentError(f"counts[{state}, {action}] is {times[state, action]:g}; expected a number >= 0.")
    totals = times.sum(axis=1, keepdims=True)
    seen = totals > 0.0
    return np.where(seen, times / np.where(seen, totals, 1.0), 1.0 / times.shape[1])


def _table(name: str, value: Floats | Integers) -> Floats:
    table = real_array(name, value)
    if table.ndim != 2 or not table.size:
        raise InvalidShapeError(f"{name} has shape {table.shape}; expected [S, A].")
    return table


def optimal_policy(mdp: FiniteMDP, max_iterations: int = 1000) -> Policy:
    """A deterministic policy that is optimal from every state, by policy iteration, [S, A].

    An action is changed only for one that is better by more than rounding, which is relative to the values that meet in
    the two: a reward that neither can reach decides nothing. Actions that come back are ties. Near discount 1 values
    are taken beside that of the start, as their common level leaves no digits for what tells them apart.

    Raises:
        NotConvergedError: no fixed point after `max_iterations` improvements.
    """
    check_at_least("max_iterations", max_iterations, 1)
    value_of = relative_value if mdp.discount > NEAR_ONE else state_value
    actions = mdp.reward.argmax(axis=1)
    states = np.arange(mdp.n_states)
    before: set[bytes] = set()
    for _ in range(max_iterations):
        following = value_of(mdp, deterministic_policy(actions, mdp.n_actions))
        value = one_step_value(mdp, following)
        size = np.abs(mdp.reward) + mdp.discount * mdp.expect_next(np.abs(following))
        best = value.argmax(axis=1)
        tie = 1e-11 * np.maximum(size[states, best], size[states, actions])
        improves = value[states, best] > value[states, actions] + tie
        if not improves.any() or actions.tobytes() in before:
            return deterministic_policy(actions, mdp.n_actions)
        before.add(actions.tobytes())
        actions = np.where(improves, best, actions)
    raise NotConvergedError(
        f"policy iteration on {mdp.name} still changed {int(improves.sum())} states after {max_iterations} iterations; "
        "raise max_iterations."
    )
