"""Gymnasium's toy-text environments as finite MDPs, read from their transition tables.

Every transition that ends an episode leads to one added absorbing state that earns nothing, so that the infinite
discounted return equals the episode's. States that no episode visits (the goal tiles themselves, unused encodings) are
kept with their original numbers. Rewards are expectations over the next state: r(s, a) = E[r | s, a].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from ampl.errors import InvalidDistributionError, MissingPackageError, UnknownNameError
from tabular.mdp import FiniteMDP

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


def environment_mdp(name: str, discount: float = 0.99) -> FiniteMDP:
    """A toy-text environment as a dense FiniteMDP with one state more than the environment has.

    Args:
        name: a key of `ENVIRONMENTS`.
        discount: in [0, 1); the environments do not define one.

    Raises:
        UnknownNameError: another name; lists the valid ones and the nearest.
        MissingPackageError: Gymnasium is not installed.
    """
    if name not in ENVIRONMENTS:
        raise UnknownNameError("environment", name, ENVIRONMENTS)
    try:
        import gymnasium
    except ImportError as error:
        raise MissingPackageError("toy-text environments need Gymnasium: pip install gymnasium.") from error
    environment_id, options = ENVIRONMENTS[name]
    environment = gymnasium.make(environment_id, **options).unwrapped
    table, starts = environment.P, environment.initial_state_distrib  # type: ignore[attr-defined]
    environment.close()
    return mdp_from_table(table, np.asarray(starts, dtype=np.float64), discount, name)


def mdp_from_table(table: Any, initial: np.ndarray, discount: float, name: str) -> FiniteMDP:
    """A FiniteMDP from a toy-text transition table.

    Args:
        table: `table[state][action]` is a list of (probability, next_state, reward, terminated).
        initial: start distribution over the table's states, [S - 1].
        discount: in [0, 1).
        name: for messages.

    Raises:
        InvalidDistributionError: a pair's probabilities do not sum to one, or a next state is outside the table.
    """
    n_table, n_actions = len(table), len(table[0])
    end = n_table  # the absorbing state after every episode
    rows = [
        (state * n_actions + action, int(following), float(probability), float(reward), bool(terminated))
        for state in range(n_table)
        for action in range(n_actions)
        for probability, following, reward, terminated in table[state][action]
    ]
    pair, following, probability, reward, terminated = (np.array(column) for column in zip(*rows, strict=True))
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
