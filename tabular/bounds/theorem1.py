"""Theorem 1 of AMPL: how much a model's error can change a policy's return, and the bounds it competes with.

    D_pi(P*, P_hat) = E_{d_b}[w KL(P*(s'|s,a) pi_b(a'|s') || P_hat(s'|s,a) pi(a'|s'))]                     (Theorem 1)
                    = E_{d_pi}[KL(P* || P_hat)] + E_{d_pi, s'~P*}[KL(pi_b(.|s') || pi(.|s'))]              (chain rule)
    |J(pi, P*) - J(pi, P_hat)| <= c discount r_max / (1 - discount) sqrt(D_pi)

The bounds as functions of D_pi are in `ampl/return_bounds.py`.  Source: theory.md, section 4, which has the proofs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ampl.errors import AbsoluteContinuityError, InvalidShapeError
from tabular.bounds.divergences import kl, kl_terms
from tabular.exact.occupancy import expected_return, occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.model_checks import check_model, check_same_space
from tabular.types import Floats, Integers, Occupancy, Policy, Weights


@dataclass(frozen=True, kw_only=True)
class ModelPolicyDivergence:
    """D_pi(P*, P_hat) split by the chain rule, in nats.

    Attributes:
        model_part: E_{d_pi}[KL(P* || P_hat)], the only part the return gap depends on.
        policy_part: E_{d_pi, s'~P*}[KL(pi_b || pi) at s'], slack: it vanishes only at pi = pi_b.
    """

    model_part: float
    policy_part: float

    @property
    def total(self) -> float:
        """D_pi(P*, P_hat)."""
        return self.model_part + self.policy_part


def return_gap(mdp: FiniteMDP, model: FiniteMDP, policy: Policy) -> float:
    """|J(pi, P*) - J(pi, P_hat)|, normalized returns.

    Raises:
        AmplError: the model is not the same MDP under other dynamics (`check_model`), or the policy is none of it.
    """
    check_model(mdp, model)
    return abs(expected_return(mdp, policy) - expected_return(model, policy))


def model_policy_divergence(
    mdp: FiniteMDP, model: FiniteMDP, policy: Policy, behavior: Policy, policy_occupancy: Occupancy | None = None
) -> ModelPolicyDivergence:
    """D_pi of Theorem 1 from its two parts; dense or sparse.

    Args:
        mdp: the true MDP, P*.
        model: the same MDP under P_hat.
        policy: pi, [S, A].
        behavior: pi_b, [S, A].
        policy_occupancy: d_pi = w d_b under P*, [S, A], if already known.

    Raises:
        AmplError: the model is not the same MDP but for dynamics and reward (`check_model`), or a policy is none of it.
        AbsoluteContinuityError: P_hat or pi gives zero probability to something that happens under P* and pi_b.
    """
    check_model(mdp, model, same_reward=False)
    policy, behavior = mdp.check_policy(policy), mdp.check_policy(behavior, "behavior policy")
    visits = occupancy(mdp, policy) if policy_occupancy is None else policy_occupancy
    row_kl = next_state_kl(mdp, model)
    _check_finite(visits, row_kl)
    policy_kl = kl(behavior, policy)  # [S']
    arriving = mdp.push_forward(visits)
    unbounded = (arriving > 0.0) & np.isinf(policy_kl)
    if unbounded.any():
        state = int(np.argmax(unbounded))
        action = int(np.argmax((behavior[state] > 0.0) & (policy[state] <= 0.0)))
        raise AbsoluteContinuityError(
            f"D_pi is infinite: in state {state} the behavior policy takes action {action} and the policy never does. "
            "Mix some of the behavior policy into the policy, or use the model part alone."
        )
    return ModelPolicyDivergence(model_part=_expectation(visits, row_kl), policy_part=_expectation(arriving, policy_kl))


def model_divergence(mdp: FiniteMDP, model: FiniteMDP, policy_occupancy: Occupancy) -> float:
    """The model part alone: E_{d_pi}[KL(P* || P_hat)], nats; infinite where the model misses what the policy meets."""
    return _expectation(policy_occupancy, next_state_kl(mdp, model))


def joint_divergence(
    mdp: FiniteMDP, model: FiniteMDP, policy: Policy, behavior: Policy, weights: Weights, behavior_occupancy: Occupancy
) -> float:
    """D_pi exactly as Theorem 1 prints it: KLs of joints [S', A'], weighted by w and d_b; dense, memory S A S A."""
    true_joint, model_joint = _next_pair_joints(mdp, model, policy, behavior)
    return _expectation(weights * behavior_occupancy, kl(true_joint, model_joint))


def eq8_joints(
    mdp: FiniteMDP, model: FiniteMDP, policy: Policy, behavior: Policy, behavior_occupancy: Occupancy
) -> tuple[Floats, Floats]:
    """The two distributions over (s, a, s', a') that Eq. 8 compares, flattened, [S*A*S*A] each."""
    true_joint, model_joint = _next_pair_joints(mdp, model, policy, behavior)
    state_visits = behavior_occupancy.sum(axis=1, keepdims=True)
    real = behavior_occupancy[:, :, None] * true_joint
    imagined = (state_visits * policy)[:, :, None] * model_joint
    return real.ravel(), imagined.ravel()


def coupling_bound(mdp: FiniteMDP, model: FiniteMDP) -> float:
    """R discount eps / (1 - discount + discount eps), eps = max TV(P*, P_hat), R the range of r: the tight lemma.

    Raises:
        AmplError: the model is not the same MDP under other dynamics (`check_model`).
    """
    check_model(mdp, model)
    error = float(next_state_total_variation(mdp, model).max())
    return reward_range(mdp) * mdp.discount * error / (1.0 - mdp.discount + mdp.discount * error)


def simulation_lemma_bound(mdp: FiniteMDP, model: FiniteMDP) -> float:
    """R discount eps / (1 - discount), eps = max TV(P*, P_hat), R the range of r: the classical simulation lemma.

    Raises:
        AmplError: the model is not the same MDP under other dynamics (`check_model`).
    """
    check_model(mdp, model)
    error = float(next_state_total_variation(mdp, model).max())
    return reward_range(mdp) * mdp.discount * error / (1.0 - mdp.discount)


def reward_range(mdp: FiniteMDP) -> float:
    """max r - min r."""
    return float(np.ptp(mdp.reward))


def next_state_kl(mdp: FiniteMDP, model: FiniteMDP) -> Floats:
    """KL(P*(.|s,a) || P_hat(.|s,a)), [S, A], nats; infinite where the model misses a possible next state."""
    check_same_space(mdp, model)
    if not mdp.is_sparse and not model.is_sparse:
        return kl(mdp.dynamics, model.dynamics)
    true_rows, model_rows = mdp.to_sparse().pair_dynamics, model.to_sparse().pair_dynamics
    n_pairs = true_rows.shape[0]
    rows, matching = _matching_entries(true_rows, model_rows)
    row_kl = np.bincount(rows, kl_terms(true_rows.data, matching), minlength=n_pairs)
    rows, matching = _matching_entries(model_rows, true_rows)
    outside = np.where(matching > 0.0, 0.0, model_rows.data)  # what the model has where the truth has nothing
    return np.asarray(row_kl + np.bincount(rows, outside, minlength=n_pairs)).reshape(mdp.reward.shape)


def _matching_entries(stored: sparse.csr_array, other: sparse.csr_array) -> tuple[Integers, Floats]:
    """The row of each stored entry, and what the other matrix has in its place."""
    rows = np.repeat(np.arange(stored.shape[0]), np.diff(stored.indptr))
    return rows, np.asarray(other[rows, stored.indices]).ravel()


def next_state_total_variation(mdp: FiniteMDP, model: FiniteMDP) -> Floats:
    """sup_A |P*(A|s,a) - P_hat(A|s,a)|, [S, A], in [0, 1]."""
    check_same_space(mdp, model)
    difference = abs(mdp.pair_dynamics - model.pair_dynamics)
    return np.asarray(difference.sum(axis=1)).reshape(mdp.reward.shape) / 2.0


def _next_pair_joints(mdp: FiniteMDP, model: FiniteMDP, policy: Policy, behavior: Policy) -> tuple[Floats, Floats]:
    """P*(s'|s,a) pi_b(a'|s') and P_hat(s'|s,a) pi(a'|s'), each [S, A, S'*A']."""
    check_model(mdp, model, same_reward=False)
    policy, behavior = mdp.check_policy(policy), mdp.check_policy(behavior, "behavior policy")
    shape = (mdp.n_states, mdp.n_actions, mdp.n_states * mdp.n_actions)
    true_joint = (mdp.to_dense().dynamics[..., None] * behavior).reshape(shape)
    model_joint = (model.to_dense().dynamics[..., None] * policy).reshape(shape)
    return true_joint, model_joint


def _expectation(mass: Floats, values: Floats) -> float:
    """sum mass * values with 0 * infinity = 0.  Raises InvalidShapeError unless both have one shape."""
    if np.shape(mass) != values.shape:
        raise InvalidShapeError(f"the occupancy has shape {np.shape(mass)}; expected {values.shape}.")
    return float(np.sum(mass * np.where(mass > 0.0, values, 0.0)))


def _check_finite(visits: Occupancy, row_kl: Floats) -> None:
    unbounded = (visits > 0.0) & np.isinf(row_kl)
    if unbounded.any():
        state, action = (int(i) for i in np.argwhere(unbounded)[0])
        raise AbsoluteContinuityError(
            f"KL(P* || P_hat) is infinite at (s={state}, a={action}): the model gives zero probability to a next state "
            "that can follow. Fit it with smoothing > 0."
        )
