"""Finite Markov decision processes, dense or sparse, in one class.

An MDP is (S, A, P*, r, discount, mu0) with a bound on |r|. Dense dynamics are an array [S, A, S']; sparse dynamics are
a scipy CSR array [S*A, S'] whose row s*A + a is P*(. | s, a). Every method works on both.

Episodes that end are modelled by an absorbing state: one that stays where it is under every action and earns nothing,
so that the infinite discounted sum of rewards equals the episode's. Its occupancy is real mass: the share of discounted
time after the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ampl.errors import (
    InvalidDistributionError,
    InvalidRewardError,
    InvalidShapeError,
)
from ampl.real_numbers import read_only, real_array, real_number
from tabular.mdps.probabilities import (
    ROUNDING,
    ROW_TOLERANCE,
    check_row_sums,
    check_rows,
    checked_discount,
    with_exact_sums,
)
from tabular.mdps.sparse_matrices import read_sparse
from tabular.types import Dynamics, Floats, Mask, Policy, Reward, StateDistribution, StateMatrix


class FiniteMDP:
    """A finite MDP with exact dynamics; arrays are checked once, here, and never changed.

    It keeps read-only copies, so that what is written to a given array afterwards changes nothing here. An array that
    is read-only already is kept as it is, and so is each of the three arrays of a sparse matrix.

    Args:
        dynamics: P*(s'|s,a), dense [S, A, S'] or sparse [S*A, S']; each row sums to one within `ROW_TOLERANCE`, and is
            divided by its sum if that is off by more than float64 rounds (`initial` likewise).
        reward: r(s,a), [S, A].
        initial: mu0, [S].
        discount: in [0, 1).
        reward_bound: r_max with |r| <= r_max; the largest |r| if not given.
        name: for tables and messages.

    Raises:
        InvalidShapeError, InvalidDistributionError, InvalidRewardError, InvalidDiscountError: with the offending entry.
        InvalidArgumentError: an array, discount or reward_bound that is not made of real numbers.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        reward: Reward,
        initial: StateDistribution,
        discount: float,
        *,
        reward_bound: float | None = None,
        name: str = "mdp",
    ) -> None:
        self.reward: Reward = real_array(f"reward of {name}", reward)
        if self.reward.ndim != 2 or self.reward.size == 0:
            raise InvalidShapeError(f"reward of {name} has shape {self.reward.shape}; expected [S, A] with S, A >= 1.")
        self.n_states: int = self.reward.shape[0]
        self.n_actions: int = self.reward.shape[1]
        self.dynamics: Dynamics = _checked_dynamics(dynamics, self.n_states, self.n_actions, name)
        self.initial: StateDistribution = real_array(f"initial of {name}", initial)
        if self.initial.shape != (self.n_states,):
            raise InvalidShapeError(
                f"initial of {name} has shape {self.initial.shape}; reward has {self.n_states} states, expected [S]."
            )
        check_rows(f"initial of {name}", self.initial)
        self.initial = read_only(with_exact_sums(self.initial))
        self.discount = checked_discount(f"discount of {name}", discount)
        self.reward_bound = _checked_reward_bound(self.reward, reward_bound, name)
        self.reward = read_only(self.reward)
        self.name = name

    @property
    def is_sparse(self) -> bool:
        """Whether the dynamics are a scipy sparse array."""
        return not isinstance(self.dynamics, np.ndarray)

    @property
    def pair_dynamics(self) -> StateMatrix:
        """P* as a matrix over pairs, [S*A, S'], in the storage of this MDP and without a copy."""
        if self.is_sparse:
            return self.dynamics
        return self.dynamics.reshape(self.n_states * self.n_actions, self.n_states)

    @property
    def absorbing(self) -> Mask:
        """States that every action keeps where they are, [S]."""
        pairs = np.arange(self.n_states * self.n_actions)
        own_state = np.repeat(np.arange(self.n_states), self.n_actions)
        stays = np.asarray(self.pair_dynamics[pairs, own_state]).reshape(self.n_states, self.n_actions)
        return np.asarray((stays >= 1.0 - ROW_TOLERANCE).all(axis=1))

    def policy_dynamics(self, policy: Policy) -> StateMatrix:
        """P_pi(s'|s) = sum_a pi(a|s) P*(s'|s,a), [S, S'], in the storage of this MDP."""
        policy = self.check_policy(policy)
        if not self.is_sparse:
            return np.einsum("sa,sat->st", policy, self.dynamics)
        n_pairs = self.n_states * self.n_actions
        first_pair = np.arange(0, n_pairs + 1, self.n_actions)
        choose = sparse.csr_array((policy.ravel(), np.arange(n_pairs), first_pair), shape=(self.n_states, n_pairs))
        return choose @ self.dynamics

    def expect_next(self, state_value: Floats) -> Floats:
        """E[f(s') | s, a] of a function of the state: [S'] to [S, A]."""
        return np.asarray(self.pair_dynamics @ state_value).reshape(self.n_states, self.n_actions)

    def push_forward(self, mass: Floats) -> Floats:
        """Where mass on pairs goes in one step: sum_{s,a} P*(s'|s,a) mass(s,a), [S, A] to [S']."""
        return np.asarray(self.pair_dynamics.T @ mass.ravel())

    def with_dynamics(self, dynamics: Dynamics, name: str | None = None) -> FiniteMDP:
        """The same reward, initial distribution and discount under other dynamics (a learned model, say)."""
        return FiniteMDP(
            dynamics,
            self.reward,
            self.initial,
            self.discount,
            reward_bound=self.reward_bound,
            name=name or f"model of {self.name}",
        )

    def with_discount(self, discount: float) -> FiniteMDP:
        """The same MDP at another discount."""
        return FiniteMDP(
            self.dynamics, self.reward, self.initial, discount, reward_bound=self.reward_bound, name=self.name
        )

    def to_dense(self) -> FiniteMDP:
        """This MDP with dense dynamics; memory grows with S * A * S."""
        if not self.is_sparse:
            return self
        dense = self.pair_dynamics.toarray().reshape(self.n_states, self.n_actions, self.n_states)
        return self.with_dynamics(dense, self.name)

    def to_sparse(self) -> FiniteMDP:
        """This MDP with sparse dynamics; zeros are dropped."""
        return self if self.is_sparse else self.with_dynamics(sparse.csr_array(self.pair_dynamics), self.name)

    def check_policy(self, policy: Policy, name: str = "policy") -> Policy:
        """A policy as a float64 array [S, A], in which its rows are summed, whatever it was given in.

        Rows that are off one by more than `ROUNDING` are divided by their sum: near discount 1 the rest would add up.

        Args:
            policy: pi, [S, A].
            name: for messages.

        Raises:
            InvalidArgumentError: entries that are no real numbers.
            InvalidShapeError: it is not [S, A].
            InvalidDistributionError: a row does not sum to one within `ROW_TOLERANCE`, or has a negative entry.
        """
        checked = real_array(name, policy)
        if checked.shape != (self.n_states, self.n_actions):
            raise InvalidShapeError(
                f"{name} has shape {checked.shape}; {self.name} has {self.n_states} states and {self.n_actions} "
                f"actions, expected [{self.n_states}, {self.n_actions}]."
            )
        check_rows(name, checked)
        return with_exact_sums(checked)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Makes the arrays of an unpickled MDP read-only again, as pickle forgets."""
        self.__dict__.update(state)
        found = self.dynamics
        parts = (found,) if isinstance(found, np.ndarray) else (found.data, found.indices, found.indptr)
        for array in (*parts, self.reward, self.initial):
            array.flags.writeable = False

    def __repr__(self) -> str:
        storage = "sparse" if self.is_sparse else "dense"
        return f"FiniteMDP({self.name}: {self.n_states} states, {self.n_actions} actions, {storage}, {self.discount})"


_COUNTS_HINT = "If it holds counts, call tabular.exact.dynamics.maximum_likelihood first."


def _checked_dynamics(dynamics: Dynamics, n_states: int, n_actions: int, name: str) -> Dynamics:
    label = f"dynamics of {name}"
    if not sparse.issparse(dynamics):
        dense = real_array(label, dynamics)
        if dense.shape != (n_states, n_actions, n_states):
            raise InvalidShapeError(
                f"reward [{n_states}, {n_actions}] and dynamics {list(dense.shape)} of {name} disagree; expected "
                "[S, A] and [S, A, S]."
            )
        check_rows(label, dense, _COUNTS_HINT)
        return read_only(with_exact_sums(dense))
    rows = read_sparse(label, dynamics)
    if rows.shape != (n_states * n_actions, n_states):
        raise InvalidShapeError(
            f"reward [{n_states}, {n_actions}] and sparse dynamics {list(rows.shape)} of {name} disagree; expected "
            "[S, A] and [S*A, S] with row s*A + a."
        )
    sums = np.asarray(rows.sum(axis=1)).reshape(n_states, n_actions)
    check_row_sums(label, sums, _COUNTS_HINT)
    if rows.nnz and rows.data.min() < 0.0:
        entry = int(rows.data.argmin())
        pair = int(np.searchsorted(rows.indptr, entry, side="right")) - 1
        where = f"{label}[{pair // n_actions}, {pair % n_actions}, {int(rows.indices[entry])}]"
        raise InvalidDistributionError(f"{where} is {rows.data[entry]:g}; probabilities must be >= 0.")
    off = np.abs(sums - 1.0) > ROUNDING
    if off.any():
        total = np.repeat(np.where(off, sums, 1.0).ravel(), np.diff(rows.indptr))
        rows = sparse.csr_array((rows.data / total, rows.indices, rows.indptr), shape=rows.shape)
    rows.data, rows.indices, rows.indptr = map(read_only, (rows.data, rows.indices, rows.indptr))
    return rows


def _checked_reward_bound(reward: Reward, bound: float | None, name: str) -> float:
    if not np.isfinite(reward).all():
        state, action = (int(i) for i in np.argwhere(~np.isfinite(reward))[0])
        raise InvalidRewardError(
            f"reward of {name}[{state}, {action}] is {reward[state, action]}; every reward must be finite."
        )
    largest = float(np.abs(reward).max())
    if bound is None:
        return largest
    bound = real_number(f"reward_bound of {name}", bound)
    if not np.isfinite(bound):
        raise InvalidRewardError(f"reward_bound of {name} is {bound!r}; expected a finite number, or None for max |r|.")
    if not largest <= bound:
        state, action = (int(i) for i in np.unravel_index(int(np.abs(reward).argmax()), reward.shape))
        raise InvalidRewardError(
            f"reward of {name}[{state}, {action}] is {reward[state, action]:g}, beyond the stated bound {bound:g}. "
            "Raise reward_bound or rescale the reward."
        )
    return bound
