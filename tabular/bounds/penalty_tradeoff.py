"""What a policy gains in return and costs in model uncertainty: the right sides of MOPO's Theorem 4.4 and Eq. 11.

    sup_pi { J(pi, P*) - 2 lambda eps_u(pi) }                                                     Theorem 4.4
    J(pi^delta, P*) - 2 lambda delta,  pi^delta the best policy with eps_u(pi) <= delta           Eq. 11

J is linear in the occupancy under P*, eps_u in that under P_hat, so neither is an MDP. Small problems are solved by
enumerating all deterministic policies; larger ones by gradient ascent, whose stationary points are certified but may be
local: they bound the supremum from below, which is the side that can contradict the theorem.

A stochastic policy can beat every deterministic one in Theorem 4.4's supremum: along a change of one state's actions,
J and eps_u are different ratios of linear functions, and their difference can peak inside. A convex function of V_pi,
such as a norm, cannot: V_pi of a stochastic policy is a mean of those of deterministic ones. (Changing one state's
actions moves V_pi along a segment; apply this state by state.) So `norm_over_policies` is exact for all policies.

Source: MOPO, section 4; theory.md, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ampl.errors import InvalidArgumentError, NotConvergedError
from tabular.exact.occupancy import action_value, expected_return, state_occupancy
from tabular.exact.policy import greedy_policy, mix_policies, softmax_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Integers, Policy

LARGEST_ENUMERATION = 5_000
"""Most deterministic policies, A^S, that are enumerated."""

_STATIONARY = 1e-7  # what a first-order step could still gain, in units of the objective's scale
_ROUNDS = 30  # ascents from one start, each after a step toward the best vertex
_STEP = 0.05  # of the policy, between two ascents
_LEAST_PROBABILITY = 1e-8  # of the policy an ascent starts from


@dataclass(frozen=True, kw_only=True, eq=False)
class TradeOff:
    """Return and uncertainty of P policies, in the order of `deterministic_actions` if they were enumerated.

    Attributes:
        expected_return: [P] J(pi, P*), reward units a step.
        mean_uncertainty: [P] eps_u(pi), in the unit of u.
    """

    expected_return: Floats
    mean_uncertainty: Floats

    def supremum(self, weight: float) -> float:
        """The largest J(pi) - 2 lambda eps_u(pi); lambda is the penalty weight.  Source: MOPO, Theorem 4.4."""
        return float((self.expected_return - 2.0 * weight * self.mean_uncertainty).max())

    def best_return_within(self, delta: float) -> float:
        """J(pi^delta): the largest return among policies with eps_u <= delta.  Source: MOPO, Eq. 9.

        Raises:
            InvalidArgumentError: delta < delta_min: there is no such policy.
        """
        rounding = 1e-12 * float(np.abs(self.mean_uncertainty).max())
        allowed = self.mean_uncertainty <= delta + rounding
        if not allowed.any():
            raise InvalidArgumentError(
                f"delta is {delta:.6g}; expected at least delta_min = {self.least_uncertainty:.6g}."
            )
        return float(self.expected_return[allowed].max())

    @property
    def least_uncertainty(self) -> float:
        """delta_min."""
        return float(self.mean_uncertainty.min())


def enumerate_trade_off(mdp: FiniteMDP, model: FiniteMDP, uncertainty: Floats) -> TradeOff:
    """Return and uncertainty of every deterministic policy.

    Raises:
        InvalidArgumentError: more than `LARGEST_ENUMERATION` of them.
    """
    actions = deterministic_actions(mdp.n_states, mdp.n_actions)
    returns = (1.0 - mdp.discount) * _values(mdp, mdp.reward, actions) @ mdp.initial
    uncertainties = (1.0 - model.discount) * _values(model, uncertainty, actions) @ model.initial
    return TradeOff(expected_return=returns, mean_uncertainty=uncertainties)


def norm_over_policies(mdp: FiniteMDP, norm: Callable[[Floats], float]) -> float:
    """The largest norm of V_pi over all policies, stochastic ones too: it is attained at a deterministic one.

    Args:
        mdp: the true MDP.
        norm: a convex function of V, such as the norm of an integral metric.

    Raises:
        InvalidArgumentError: more than `LARGEST_ENUMERATION` deterministic policies.
    """
    values = _values(mdp, mdp.reward, deterministic_actions(mdp.n_states, mdp.n_actions))
    return max(norm(value) for value in values)


def deterministic_actions(n_states: int, n_actions: int) -> Integers:
    """The actions of every deterministic policy, [A^S, S].

    Raises:
        InvalidArgumentError: more than `LARGEST_ENUMERATION` of them.
    """
    if n_states * np.log(n_actions) > np.log(LARGEST_ENUMERATION) + 1e-9:
        raise InvalidArgumentError(
            f"{n_actions} actions in {n_states} states make {n_actions}^{n_states} deterministic policies; enumeration "
            f"takes at most {LARGEST_ENUMERATION}. Use numerical ascent."
        )
    actions = np.zeros((n_actions**n_states, n_states), dtype=np.int64)
    if n_actions > 1:  # policies count up in base A, the last state fastest; A^S is small, and one action has no digits
        place = n_actions ** np.arange(n_states - 1, -1, -1)
        actions += np.arange(len(actions))[:, None] // place % n_actions
    return actions


@dataclass(frozen=True, kw_only=True, eq=False)
class Ascent:
    """Where an ascent of J(pi, P*) - coefficient * eps_u(pi) ended.

    Attributes:
        policy: [S, A].
        objective: its value, reward units a step.
        expected_return, mean_uncertainty: J and eps_u there.
        residual: what the best first-order change of the policy would still gain, reward units a step.
    """

    policy: Policy
    objective: float
    expected_return: float
    mean_uncertainty: float
    residual: float


def ascend(
    mdp: FiniteMDP, model: FiniteMDP, uncertainty: Floats, coefficient: float, starts: Sequence[Policy]
) -> Ascent:
    """A local maximum of J(pi, P*) - coefficient * eps_u(pi) over stochastic policies: the best one reached.

    Softmax policies, exact gradients, L-BFGS. Where a better action has lost its probability the gradient of a softmax
    vanishes; the residual notices, and the ascent goes on after a step toward the best actions.

    Args:
        mdp: the true MDP, P*.
        model: the same MDP under P_hat.
        uncertainty: u, [S, A].
        coefficient: 2 lambda for Theorem 4.4; reward units per unit of u.
        starts: policies to start from, [S, A] each, at least one.

    Raises:
        InvalidArgumentError: no starts.
        NotConvergedError: no start led to a stationary point.
    """
    if not starts:
        raise InvalidArgumentError(
            "no policy to start the ascent from; expected at least one, such as the uniform one."
        )
    costs = FiniteMDP(model.dynamics, uncertainty, model.initial, model.discount, name=f"{model.name}, paying u")
    scale = max(float(np.abs(mdp.reward).max()) + coefficient * float(np.abs(uncertainty).max()), 1e-300)
    ends = [_ascend_from(mdp, costs, coefficient, scale, start) for start in starts]
    stationary = [end for end in ends if end.residual <= _STATIONARY * scale]
    if not stationary:
        least = min(end.residual for end in ends) / scale
        raise NotConvergedError(
            f"none of {len(ends)} ascents on {mdp.name} reached a stationary policy: the least relative residual is "
            f"{least:.3g}, expected at most {_STATIONARY:g}. Give other starts."
        )
    return max(stationary, key=lambda end: end.objective)


def _ascend_from(mdp: FiniteMDP, costs: FiniteMDP, coefficient: float, scale: float, start: Policy) -> Ascent:
    policy = start
    for _ in range(_ROUNDS):
        logits = np.log(np.maximum(policy, _LEAST_PROBABILITY))
        found = minimize(
            lambda x: _negative_objective(x, mdp, costs, coefficient, scale),
            logits.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-10},
        )
        policy = softmax_policy(found.x.reshape(start.shape))
        slope = _slope(mdp, costs, coefficient, policy)
        residual = float((slope.max(axis=1) - (policy * slope).sum(axis=1)).sum())
        if residual <= _STATIONARY * scale:
            break
        policy = mix_policies(policy, greedy_policy(slope), _STEP)
    returned, uncertain = expected_return(mdp, policy), expected_return(costs, policy)
    return Ascent(
        policy=policy,
        objective=returned - coefficient * uncertain,
        expected_return=returned,
        mean_uncertainty=uncertain,
        residual=residual,
    )


def _negative_objective(
    logits: Floats, mdp: FiniteMDP, costs: FiniteMDP, coefficient: float, scale: float
) -> tuple[float, Floats]:
    """-(J - coefficient * eps_u) / scale and its gradient by the logits, [S*A]."""
    policy = softmax_policy(logits.reshape(mdp.reward.shape))
    slope = _slope(mdp, costs, coefficient, policy)
    value = expected_return(mdp, policy) - coefficient * expected_return(costs, policy)
    gradient = policy * (slope - (policy * slope).sum(axis=1, keepdims=True))
    return -value / scale, -gradient.ravel() / scale


def _slope(mdp: FiniteMDP, costs: FiniteMDP, coefficient: float, policy: Policy) -> Floats:
    """The derivative of J - coefficient * eps_u by pi(a|s): state occupancy times action value, [S, A]."""
    of_return = state_occupancy(mdp, policy)[:, None] * action_value(mdp, policy)
    of_cost = state_occupancy(costs, policy)[:, None] * action_value(costs, policy)
    return of_return - coefficient * of_cost


def _values(mdp: FiniteMDP, reward: Floats, actions: Integers) -> Floats:
    """V of each deterministic policy for a reward, [P, S] to [P, S]; dense solves."""
    states = np.arange(mdp.n_states)
    dynamics = mdp.to_dense().dynamics[states, actions]  # [P, S, S']
    right = reward[states, actions][..., None]  # [P, S, 1]
    return np.asarray(np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * dynamics, right)[..., 0], dtype=np.float64)
