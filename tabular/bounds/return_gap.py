"""The return gap to a better policy, split exactly by where it comes from.

    J(pi*, P*) - J(pi, P*) = [J(pi*, P_hat) - J(pi, P_hat)]                                   optimization
                           + [J(pi*, P*) - J(pi*, P_hat)] + [J(pi, P_hat) - J(pi, P*)]        model error

    J(pi, P_hat) - J(pi, P*) = discount E_{d_pi}[E_{P_hat}[V] - E_{P*}[V]],  d_pi under P*, V of pi under P_hat

By the second line, the simulation lemma, the model error is a sum over pairs, and so the sum of what arises where the
data are dense and where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import check_fraction
from tabular.exact.occupancy import expected_return, occupancy, state_value
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Mask, Occupancy, Policy


@dataclass(frozen=True, kw_only=True)
class ReturnGap:
    """Parts of J(pi*, P*) - J(pi, P*), in units of one step's reward; each can have either sign.

    Attributes:
        optimization: J(pi*, P_hat) - J(pi, P_hat), at most zero where pi is optimal in the model.
        dense: the model's error at pairs where the data are dense.
        sparse: at all other pairs.
    """

    optimization: float
    dense: float
    sparse: float

    @property
    def total(self) -> float:
        """The return gap."""
        return self.optimization + self.dense + self.sparse


def split_return_gap(mdp: FiniteMDP, model: FiniteMDP, policy: Policy, best: Policy, dense: Mask) -> ReturnGap:
    """Splits J(best, P*) - J(policy, P*).

    Args:
        mdp: the true MDP, P*.
        model: the same MDP under P_hat.
        policy: pi, [S, A].
        best: pi*, or any policy to compare with, [S, A].
        dense: where the data are dense, [S, A]; see `dense_pairs`.
    """
    error = overestimation(mdp, model, policy) - overestimation(mdp, model, best)  # [S, A]
    return ReturnGap(
        optimization=expected_return(model, best) - expected_return(model, policy),
        dense=float(error[dense].sum()),
        sparse=float(error[~dense].sum()),
    )


def overestimation(mdp: FiniteMDP, model: FiniteMDP, policy: Policy) -> Floats:
    """What each pair adds to J(pi, P_hat) - J(pi, P*), [S, A]: where the model overestimates the policy's return."""
    value = state_value(model, policy)
    return mdp.discount * occupancy(mdp, policy) * (model.expect_next(value) - mdp.expect_next(value))


def dense_pairs(data: Occupancy, share: float = 0.99) -> Mask:
    """The fewest pairs that hold this share of the data, [S, A]: the most frequent ones, ties included.

    Args:
        data: law of the data's rows (s, a), [S, A], sums to 1.
        share: in [0, 1].

    Raises:
        InvalidArgumentError: another share.
    """
    check_fraction("share", share)
    ordered = np.sort(data, axis=None)[::-1]
    needed = int(np.searchsorted(np.cumsum(ordered), share * (1.0 - 1e-12)))
    return data >= max(ordered[min(needed, data.size - 1)], np.finfo(np.float64).tiny)
