"""The return gap to a better policy, split exactly by where it comes from.

    J(pi*, P*) - J(pi, P*) = [J(pi*, P_hat) - J(pi, P_hat)]                                   optimization
                           + [J(pi*, P*) - J(pi*, P_hat)] + [J(pi, P_hat) - J(pi, P*)]        model error

    J(pi, P_hat) - J(pi, P*) = [J(pi, P_mix) - J(pi, P*)] + [J(pi, P_hat) - J(pi, P_mix)]     dense, sparse

P_mix is P_hat where the data are dense and P* elsewhere. By the simulation lemma each bracket of the last line is a sum
over those pairs alone, discount E_d[E_{P_hat}[V] - E_{P*}[V]], so that it says what the model's error there costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidShapeError, check_fraction
from tabular.exact.occupancy import expected_return
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.model_checks import check_model, check_same_space
from tabular.types import Mask, Occupancy, Policy


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
    """Splits J(best, P*) - J(policy, P*); dense, memory S A S.

    Args:
        mdp: the true MDP, P*.
        model: the same MDP under P_hat.
        policy: pi, [S, A].
        best: pi*, or any policy to compare with, [S, A].
        dense: where the data are dense, [S, A]; see `dense_pairs`.

    Raises:
        AmplError: the model is not the same MDP under other dynamics (`check_model`), or a policy is none of it.
        InvalidShapeError: `dense` is not [S, A].
    """
    check_model(mdp, model)
    mixed = mix_models(mdp, model, dense)
    own, other = ([expected_return(each, pi) for each in (mdp, mixed, model)] for pi in (policy, best))
    return ReturnGap(
        optimization=other[2] - own[2],
        dense=(own[1] - own[0]) - (other[1] - other[0]),
        sparse=(own[2] - own[1]) - (other[2] - other[1]),
    )


def mix_models(mdp: FiniteMDP, model: FiniteMDP, where: Mask) -> FiniteMDP:
    """P_mix: the model's dynamics at the pairs `where`, [S, A], and the MDP's own elsewhere.

    Raises:
        InvalidShapeError: the model has other states or actions, or `where` is not [S, A].
    """
    check_same_space(mdp, model)
    if np.shape(where) != mdp.reward.shape:
        raise InvalidShapeError(f"`where` has shape {np.shape(where)}; expected {mdp.reward.shape}.")
    rows = np.where(where[:, :, None], model.to_dense().dynamics, mdp.to_dense().dynamics)
    return mdp.to_dense().with_dynamics(rows)


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
