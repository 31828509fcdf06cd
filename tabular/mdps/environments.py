"""Gymnasium's toy-text environments as finite MDPs, read from their transition tables.

Every transition that ends an episode leads to one added absorbing state that earns nothing, so that the infinite
discounted return equals the episode's. States that no episode visits (the goal tiles themselves, unused encodings) are
kept with their original numbers. Rewards are expectations over the next state: r(s, a) = E[r | s, a].
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np
from scipy import sparse

from ampl.errors import InvalidDistributionError, InvalidShapeError, MissingPackageError, UnknownNameError
from tabular.mdps.mdp import FiniteMDP

ENVIRONMENTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "frozenlake-4x4": ("FrozenLake-v1", {"map_name": "4x4", "is_slippery": True}),
    "frozenlake-4x4-deterministic": ("FrozenLake-v1", {"map_name": "4x4", "is_slippery": False}),
    "frozenlake-8x8": ("FrozenLake-v1", {"map_name": "8x8", "is_slippery": True}),
    "frozenlake-8x8-deterministic": ("FrozenLake-v1", {"map_name": "8x8", "is_slippery": False}),
    "cliffwalking": ("CliffWalking-v1", {}),
    "cliffwalking-slippery": ("CliffWalking-v1", {"is_slippery": True}),
    "taxi": ("Taxi-v4", {}),
}
"""Our names, the Gymnasium id behind each, and its options."""

_BEFORE: Mapping[str, str] = {"Taxi-v4": "Taxi-v3"}
"""Ids in earlier versions of Gymnasium, whose table is the same where it neither rains nor passengers are fickle."""


def environment_mdp(name: str, discount: float = 0.99) -> FiniteMDP:
    """A toy-text environment as a dense FiniteMDP with one state more than the environment has.

    Args:
        name: a key of `ENVIRONMENTS`.
        discount: in [0, 1); the environments do not define one.

    Raises:
        UnknownNameError: another name; lists the valid ones and the nearest.
        MissingPackageError: Gymnasium is not installed, or its version lacks the environment.
    """
    if name not in ENVIRONMENTS:
        raise UnknownNameError("environment", name, ENVIRONMENTS)
    try:
        import gymnasium
    except ImportError as error:
        raise MissingPackageError("toy-text environments need Gymnasium: pip install gymnasium.") from error
    environment_id, options = ENVIRONMENTS[name]
    if environment_id not in gymnasium.registry:
        environment_id = _BEFORE.get(environment_id, environment_id)
    try:
        environment = gymnasium.make(environment_id, **options).unwrapped
    except gymnasium.error.Error as error:
        raise MissingPackageError(
            f"Gymnasium {gymnasium.__version__} has no {environment_id}: pip install --upgrade gymnasium."
        ) from error
    table, starts = environment.P, environment.initial_state_distrib  # type: ignore[attr-defined]
    environment.close()
    return mdp_from_table(table, np.asarray(starts, dtype=np.float64), discount, name)


def mdp_from_table(table: Any, initial: np.ndarray, discount: float, name: str) -> FiniteMDP:
    """A FiniteMDP from a toy-text transition table.

    A FiniteMDP has the same actions in every state. An action that a state lacks does there what the state's first one
    does: so every policy of the result does what some policy of the table does, and the same values can be earned.

    Args:
        table: `table[state][action]` is a list of (probability, next_state, reward, terminated); states and actions
            are integers from 0, and states may differ in their actions.
        initial: start distribution over the table's states, [S - 1].
        discount: in [0, 1).
        name: for messages.

    Raises:
        InvalidDistributionError: a pair's probabilities do not sum to one, or a next state is outside the table.
        InvalidShapeError: there is no state, one is missing or has no action, an action has another number than an
            integer from 0, an outcome is no such tuple, or `initial` has another length.
    """
    n_table = len(table)
    if not n_table:
        raise InvalidShapeError(f"the table of {name} has no state; expected at least one, numbered from 0.")
    if np.shape(initial) != (n_table,):
        raise InvalidShapeError(f"initial of {name} has shape {np.shape(initial)}; its table has {n_table} states.")
    end = n_table  # the absorbing state after every episode
    available = [_available_actions(table, state, name) for state in range(n_table)]
    n_actions = 1 + max(max(actions) for actions in available)
    rows = [
        (state * n_actions + action, *outcome)
        for state, actions in enumerate(available)
        for action in range(n_actions)
        for outcome in _outcomes(table, state, action if action in actions else min(actions), name)
    ]
    pair, probability, following, reward, terminated = (np.array(column) for column in zip(*rows, strict=True))
    outside = following[(following < 0) | (following >= n_table)]
    if len(outside):
        raise InvalidDistributionError(f"the table of {name} leads to state {outside[0]}; it has {n_table} states.")
    following = np.where(terminated, end, following)
    ending = np.arange(end * n_actions, (end + 1) * n_actions)
    shape = ((n_table + 1) * n_actions, n_table + 1)
    dynamics = sparse.csr_array(
        (
            np.concatenate([probability, np.ones(n_actions)]),
            (np.concatenate([pair, ending]), np.concatenate([following, np.full(n_actions, end)])),
        ),
        shape=shape,
    )
    earned = np.bincount(pair, probability * reward, minlength=shape[0]).astype(np.float64)
    start = np.append(initial, 0.0)
    return FiniteMDP(dynamics, earned.reshape(n_table + 1, n_actions), start, discount, name=name).to_dense()


def _available_actions(table: Any, state: int, name: str) -> frozenset[int]:
    """The numbers of a state's actions; never empty."""
    if isinstance(table, Mapping) and state not in table:
        raise InvalidShapeError(
            f"the table of {name} has {len(table)} states, but no state {state}; expected 0 to {len(table) - 1}."
        )
    actions = table[state]
    numbers = list(actions) if isinstance(actions, Mapping) else list(range(len(actions)))
    wrong = [number for number in numbers if not isinstance(number, int | np.integer) or number < 0]
    if wrong or not numbers:
        found = f"an action {wrong[0]!r}" if wrong else "no action"
        raise InvalidShapeError(
            f"the table of {name} has {found} in state {state}; expected at least one, numbered by integers from 0."
        )
    return frozenset(int(number) for number in numbers)


def _outcomes(table: Any, state: int, action: int, name: str) -> list[tuple[float, int, float, bool]]:
    """What a pair leads to: probability, next state, reward and whether the episode ends, each; never empty."""
    outcomes = table[state][action]
    try:
        read = [
            (float(probability), index(following), float(reward), bool(terminated))
            for probability, following, reward, terminated in outcomes
        ]
    except (TypeError, ValueError):
        read = []
    if not read:
        raise InvalidShapeError(
            f"the table of {name} has {outcomes!r} for state {state} and action {action}; expected one or more tuples "
            "(probability, next state, reward, terminated), where the next state is an integer."
        )
    return read
