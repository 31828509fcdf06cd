"""Transition occupancies of one policy in the truth and in a model, and of the behavior policy, entry by entry.

    rho_T = d_pi(s,a) P*(s'|s,a),   rho_M = d_pi under P_hat times P_hat(s'|s,a),   rho_B = d_b(s,a) P*(s'|s,a)

All three live on the K transitions (s, a, s') that are possible in the truth or in the model, so that dense and sparse
MDPs are one case and ratios of occupancies are ratios of vectors.  Source: DAMO, section 4; theory.md, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ampl.errors import AbsoluteContinuityError, InvalidShapeError
from ampl.real_numbers import real_array
from tabular.exact.occupancy import occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.model_checks import check_model
from tabular.mdps.probabilities import check_distribution
from tabular.mdps.sparse_matrices import read_sparse
from tabular.types import Floats, Integers, Occupancy, Policy


class TransitionSupport:
    """The K transitions that are possible in the truth or in the model, and how often the data has each.

    Args:
        mdp: the true MDP.
        model: the same MDP under P_hat; its reward does not matter.
        data: rho_B, one number a transition of the truth: a behavior policy [S, A], or any distribution over
            transitions, [S, A, S'] or, dense or sparse, [S*A, S'] (counts divided by N, say).

    Attributes:
        pair: index s*A + a of each transition, [K].
        next_state: s', [K].
        true_row, model_row: P*(s'|s,a) and P_hat(s'|s,a), [K].
        data: rho_B, [K].

    Raises:
        InvalidShapeError: the model has other states or actions, or rho_B has another shape.
        InvalidDiscountError: the model has another discount.
        InvalidDistributionError: the model has another initial distribution, or rho_B a negative entry or a sum other
            than one.
        InvalidArgumentError: rho_B is not made of real numbers.
    """

    def __init__(self, mdp: FiniteMDP, model: FiniteMDP, data: Floats | sparse.csr_array) -> None:
        check_model(mdp, model, same_reward=False)
        data = _checked_data(data, mdp)
        self.mdp = mdp
        self.model = model
        if not (mdp.is_sparse or model.is_sparse or sparse.issparse(data)):
            self._read_dense(data)
            return
        if not sparse.issparse(data) and data.shape == mdp.reward.shape:
            visits = occupancy(mdp, data).ravel()
            table = sparse.diags_array(visits) @ sparse.csr_array(mdp.pair_dynamics)
        else:
            table = data if sparse.issparse(data) else np.reshape(data, (-1, mdp.n_states))
        rows = [sparse.csr_array(each) for each in (mdp.pair_dynamics, model.pair_dynamics, table)]
        pattern = sparse.csr_array(rows[0] + rows[1])
        pattern.sort_indices()
        self.pair: Integers = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
        self.next_state: Integers = pattern.indices.astype(np.int64)
        self.true_row, self.model_row, self.data = (self._entries(each) for each in rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(S, A)."""
        return self.mdp.n_states, self.mdp.n_actions

    @property
    def reward(self) -> Floats:
        """r(s, a) of each transition, [K]."""
        return self.mdp.reward.ravel()[self.pair]

    def table(self, entries: Floats) -> sparse.csr_array:
        """Entries as a sparse matrix over pairs and next states, [K] to [S*A, S']."""
        shape = (self.mdp.reward.size, self.mdp.n_states)
        return sparse.csr_array((entries, (self.pair, self.next_state)), shape=shape)

    def by_pair(self, entries: Floats) -> Floats:
        """Sums over s', [K] to [S, A]."""
        sums: Floats = np.bincount(self.pair, entries, minlength=self.mdp.reward.size).astype(np.float64)
        return sums.reshape(self.shape)

    def by_next_state(self, entries: Floats) -> Floats:
        """Sums over (s, a), [K] to [S']."""
        return np.bincount(self.next_state, entries, minlength=self.mdp.n_states).astype(np.float64)

    def occupancies(self, policy: Policy) -> TransitionOccupancies:
        """What the policy, [S, A], does in the truth and in the model.

        Raises:
            InvalidArgumentError, InvalidShapeError, InvalidDistributionError: it is no policy of the MDP.
        """
        policy = self.mdp.check_policy(policy)
        true_visits = occupancy(self.mdp, policy)
        model_visits = true_visits if self.model is self.mdp else occupancy(self.model, policy)
        return TransitionOccupancies(
            support=self,
            policy=policy,
            true_visits=true_visits,
            model_visits=model_visits,
            truth=true_visits.ravel()[self.pair] * self.true_row,
            model=model_visits.ravel()[self.pair] * self.model_row,
        )

    def _read_dense(self, data: Floats) -> None:
        """The same from arrays, which on small MDPs cost less than the bookkeeping of sparse ones."""
        true_rows, model_rows = self.mdp.pair_dynamics, self.model.pair_dynamics
        if data.shape == self.shape:
            table = occupancy(self.mdp, data).reshape(-1, 1) * true_rows
        else:
            table = data.reshape(true_rows.shape)
        possible = (true_rows != 0.0) | (model_rows != 0.0)
        self.pair, self.next_state = np.nonzero(possible)
        self.true_row, self.model_row, self.data = (rows[possible] for rows in (true_rows, model_rows, table))

    def _entries(self, rows: sparse.csr_array) -> Floats:
        rows.sum_duplicates()
        n_states = rows.shape[1]
        own = self.pair * n_states + self.next_state  # sorted, as CSR is
        given = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)) * n_states + rows.indices
        place = np.searchsorted(own, given)
        found = place < len(own)
        found[found] = own[place[found]] == given[found]  # the data may hold what is possible in neither
        entries = np.zeros(len(own))
        entries[place[found]] = rows.data[found]
        return entries


def _checked_data(data: Floats | sparse.csr_array, mdp: FiniteMDP) -> Floats | sparse.csr_array:
    """rho_B in float64; a behavior policy's rows are left to `occupancy`."""
    n_pairs, n_states = mdp.reward.size, mdp.n_states
    shapes = [(n_pairs, n_states)]
    if sparse.issparse(data):
        table = read_sparse("data", data)
        entries = table.data
    else:
        table = entries = real_array("data", data)
        shapes = [(*mdp.reward.shape, n_states), mdp.reward.shape, *shapes]
    if table.shape not in shapes:
        raise InvalidShapeError(
            f"data has shape {table.shape}; {mdp.name} has {mdp.n_states} states and {mdp.n_actions} actions, expected "
            f"{' or '.join(str(list(shape)) for shape in shapes)}."
        )
    if table.shape != mdp.reward.shape or sparse.issparse(table):
        check_distribution("data", entries)
    return table


@dataclass(frozen=True, kw_only=True, eq=False)
class TransitionOccupancies:
    """rho_T and rho_M of one policy on the support, [K] each; both sum to one."""

    support: TransitionSupport
    policy: Policy
    true_visits: Occupancy  # d_pi under P*, [S, A]
    model_visits: Occupancy  # d_pi under P_hat, [S, A]
    truth: Floats  # rho_T, [K]
    model: Floats  # rho_M, [K]

    @property
    def data(self) -> Floats:
        """rho_B, [K]."""
        return self.support.data

    def log_ratio(self) -> Floats:
        """R = log(rho_M / rho_B), nats, [K]; 0 where the model never goes.  Source: DAMO, Eqs. 1 and 4.

        Raises:
            AbsoluteContinuityError: the model goes where there is no data, so that R is infinite there.
        """
        return _log_ratio(self.model, self.data, self.support, "the model", "the data have", _COVER_MODEL)

    def true_log_ratio(self) -> Floats:
        """log(rho_T / rho_B), nats, [K]; 0 where the policy never goes in the truth.

        Raises:
            AbsoluteContinuityError: the policy goes where there is no data.
        """
        return _log_ratio(self.truth, self.data, self.support, "the policy", "the data have", _COVER_POLICY)

    def check_model_covers_truth(self) -> None:
        """Raises AbsoluteContinuityError if the policy meets transitions that the model calls impossible."""
        _log_ratio(self.truth, self.model, self.support, "in the truth the policy", "the model has", _COVER_TRUTH)


_COVER_MODEL = "Fit the model to the data without smoothing beyond them, or give rho_B some mass there."
_COVER_POLICY = "Mix some of the policy into the behavior policy."
_COVER_TRUTH = "Fit the model with smoothing > 0."


def _log_ratio(p: Floats, q: Floats, support: TransitionSupport, who: str, whose: str, remedy: str) -> Floats:
    missing = (p > 0.0) & (q <= 0.0)
    if missing.any():
        first = int(np.argmax(np.where(missing, p, 0.0)))
        state, action = divmod(int(support.pair[first]), support.shape[1])
        raise AbsoluteContinuityError(
            f"the log ratio is infinite: {who} makes {int(missing.sum())} transitions that {whose} not, with "
            f"{p[missing].sum():.3g} of its occupancy; the most frequent is (s={state}, a={action}, "
            f"s'={int(support.next_state[first])}). {remedy}"
        )
    positive = p > 0.0
    return np.log(np.divide(p, q, out=np.ones_like(p), where=positive))
