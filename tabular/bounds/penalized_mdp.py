"""MOPO's penalized MDP on finite spaces, and the lower bound it gives.  Source: MOPO, section 4; theory.md, section 5.

    G(s, a) = E_P_hat[V] - E_P*[V],  V = V_pi under P*                       the value error of one model step
    J(pi, P_hat) - J(pi, P*) = discount E_{d_hat}[G]                         Lemma 4.1, telescoping
    |G| <= c d_F(P_hat, P*) <= c u                                           u admissible, V in c F
    J_tilde(pi) = E_{d_hat}[r - lambda u] <= J(pi, P*),  lambda = discount c     for every pi
    J(pi_hat, P*) >= sup_pi { J(pi, P*) - 2 lambda eps_u(pi) }               Theorem 4.4, pi_hat maximizes J_tilde

d_hat is the occupancy under P_hat. The available print drops the hat in Lemma 4.1; without it the lemma fails.

Two normalizations. The paper's eta and occupancy rho are sums over time; ours are averages: J = (1 - discount) eta and
d = (1 - discount) rho. Every line above is linear in them, so it holds in both with the same lambda, and eps_u(pi) here
is a mean of u, (1 - discount) times the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError, check_at_least
from tabular.bounds.integral_metrics import row_difference
from tabular.exact.occupancy import expected_return, occupancy, state_value
from tabular.exact.policy import optimal_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.model_checks import check_model
from tabular.types import Floats, Occupancy, Policy, Reward, StateValue


@dataclass(frozen=True, kw_only=True)
class Telescoping:
    """The two sides of Lemma 4.1, normalized, and what its print without the hat says.  Reward units a step.

    Attributes:
        gap: J(pi, P_hat) - J(pi, P*).
        under_model: discount E[G] over the occupancy under P_hat: equals the gap.
        under_truth: discount E[G] over the occupancy under P*, as printed: another number.
    """

    gap: float
    under_model: float
    under_truth: float


def value_error(mdp: FiniteMDP, model: FiniteMDP, state_value: StateValue) -> Floats:
    """G(s, a) = E_P_hat[V(s')] - E_P*[V(s')], [S, A], reward units; V, [S], is the policy's value under P*."""
    if not (mdp.is_sparse or model.is_sparse):
        return np.asarray(row_difference(mdp, model) @ state_value)
    return model.expect_next(state_value) - mdp.expect_next(state_value)


def telescoping(mdp: FiniteMDP, model: FiniteMDP, policy: Policy) -> Telescoping:
    """Both sides of MOPO's Lemma 4.1 for a policy, [S, A].

    Raises:
        AmplError: the model is not the same MDP under other dynamics (`check_model`), or the policy is none of it.
    """
    check_model(mdp, model)
    error = value_error(mdp, model, state_value(mdp, policy))
    return Telescoping(
        gap=expected_return(model, policy) - expected_return(mdp, policy),
        under_model=mdp.discount * float(np.vdot(occupancy(model, policy), error)),
        under_truth=mdp.discount * float(np.vdot(occupancy(mdp, policy), error)),
    )


def penalty_weight(discount: float, norm: float) -> float:
    """lambda = discount * c, reward units per unit of u; c must serve V_pi of every policy that is compared."""
    return discount * norm


def penalized_mdp(model: FiniteMDP, uncertainty: Floats, weight: float) -> FiniteMDP:
    """The MDP with dynamics P_hat and reward r - lambda u.

    Args:
        model: the MDP under P_hat.
        uncertainty: u, [S, A].
        weight: lambda >= 0, reward units per unit of u.

    Raises:
        InvalidShapeError, InvalidArgumentError: u of another shape or not finite, a negative weight.
    """
    check_at_least("weight", weight, 0.0, "0 switches the penalty off.")
    _check_shape(model, uncertainty)
    _check_finite(uncertainty)
    return _with_reward(model, model.reward - weight * uncertainty, f"penalized {model.name}")


def penalized_optimum(model: FiniteMDP, uncertainty: Floats, weight: float) -> Policy:
    """pi_hat: an exactly optimal policy of the penalized MDP, [S, A].  Raises as `penalized_mdp`."""
    return optimal_policy(penalized_mdp(model, uncertainty, weight))


def penalized_return(model: FiniteMDP, uncertainty: Floats, weight: float, policy: Policy) -> float:
    """J_tilde(pi): the normalized return of a policy in the penalized MDP."""
    return expected_return(penalized_mdp(model, uncertainty, weight), policy)


def mean_uncertainty(model: FiniteMDP, uncertainty: Floats, policy: Policy) -> float:
    """eps_u(pi) = E_{d_hat}[u], in the unit of u; divide by 1 - discount for the paper's."""
    visits: Occupancy = occupancy(model, policy)
    return float(np.vdot(visits, uncertainty))


def least_uncertain_policy(model: FiniteMDP, uncertainty: Floats) -> Policy:
    """A policy that attains delta_min = min_pi eps_u(pi), [S, A]: the optimum of reward -u under P_hat."""
    _check_shape(model, uncertainty)
    _check_finite(uncertainty)
    return optimal_policy(_with_reward(model, -uncertainty, f"{model.name}, paying -u"))


def value_interval(mdp: FiniteMDP) -> tuple[StateValue, StateValue]:
    """The least and the largest V_pi(s) of any policy, [S] each, by two exact optimizations.

    So |V_pi|_inf of all policies, stochastic ones too, is at most the larger magnitude, and that is attained.
    """
    worst = optimal_policy(_with_reward(mdp, -mdp.reward, f"{mdp.name}, paying -r"))
    return state_value(mdp, worst), state_value(mdp, optimal_policy(mdp))


def _with_reward(mdp: FiniteMDP, reward: Reward, name: str) -> FiniteMDP:
    return FiniteMDP(mdp.dynamics, reward, mdp.initial, mdp.discount, name=name)


def _check_shape(model: FiniteMDP, uncertainty: Floats) -> None:
    if np.shape(uncertainty) != model.reward.shape:
        raise InvalidShapeError(
            f"uncertainty has shape {np.shape(uncertainty)}; {model.name} has {model.n_states} states and "
            f"{model.n_actions} actions, expected [{model.n_states}, {model.n_actions}]."
        )


def _check_finite(uncertainty: Floats) -> None:
    bad = ~np.isfinite(uncertainty)
    if bad.any():
        state, action = (int(i) for i in np.argwhere(bad)[0])
        raise InvalidArgumentError(
            f"uncertainty[{state}, {action}] is {uncertainty[state, action]}; expected a finite number."
        )
