"""Returns and action values: sums over steps for any reward, a linear system for the quadratic one.

J = (1 - gamma) sum_t gamma^t E[r_t], as on finite MDPs, and Q(s, a) = E[sum_t gamma^t r_t | s_0 = s, a_0 = a].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from continuous.linear_gaussian.checks import Floats, checked_array, solve, symmetric
from continuous.linear_gaussian.marginals import check_discounted_moments, discount_horizon, has_settled
from continuous.linear_gaussian.mixtures import episode_law, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP, closed_loop
from continuous.linear_gaussian.rewards import QuadraticReward


def expected_return(
    mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, dynamics: LinearDynamics | None = None
) -> float:
    """J(pi, P) = E_{d_pi}[r].

    Args:
        mdp: the problem.
        policy: pi.
        dynamics: P, such as a model; the MDP's own if not given.

    Raises:
        InvalidArgumentError: a closed loop so unstable that d_pi has no variance.
    """
    if isinstance(mdp.reward, QuadraticReward):
        return quadratic_value(mdp, policy, dynamics).expected_return(mdp)
    mixture = occupancy(mdp, policy, dynamics)
    return float(mixture.shares @ mdp.reward.expectation(mixture.means, mixture.covariances))


def action_value(
    mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, pairs: Floats, dynamics: LinearDynamics | None = None
) -> Floats:
    """Q of x = (s, a): from [N, D + A] to [N].

    Args:
        mdp: the problem.
        policy: acts after the first step.
        pairs: x.
        dynamics: in place of the MDP's own, such as a model.

    Raises:
        InvalidArgumentError: as `expected_return`; pairs that are not finite.
        InvalidShapeError: pairs of another size.
    """
    here = dynamics or mdp.dynamics
    pairs = checked_array("pairs", pairs, (None, mdp.reward.size))
    if isinstance(mdp.reward, QuadraticReward):
        value = quadratic_value(mdp, policy, here)
        return mdp.reward(pairs) + mdp.discount * (value(here.next_mean(pairs)) + value.of_noise(here.covariance))
    check_discounted_moments(mdp, policy, here)
    matrix, shift, noise = closed_loop(here, policy)
    total = mdp.reward(pairs)
    means, covariance, weight = here.next_mean(pairs), here.covariance, mdp.discount
    for _ in range(1, discount_horizon(mdp.discount)):
        reward = mdp.reward.expectation(*policy.joint(means, covariance))
        after = means @ matrix.T + shift, symmetric(matrix @ covariance @ matrix.T + noise)
        if has_settled((means, covariance), after):
            return total + reward * weight / (1.0 - mdp.discount)
        total = total + weight * reward
        (means, covariance), weight = after, weight * mdp.discount
    return total


@dataclass(frozen=True, eq=False)
class QuadraticValue:
    """V(s) = s' H s + 2 h' s + c of a policy whose reward is quadratic.

    Attributes:
        matrix: H, [D, D], negative semidefinite.
        vector: h, [D].
        constant: c.
    """

    matrix: Floats
    vector: Floats
    constant: float

    def __call__(self, states: Floats) -> Floats:
        """V: from [..., D] to [...]."""
        values: Floats = (
            np.einsum("...i,ij,...j->...", states, self.matrix, states) + 2.0 * states @ self.vector + self.constant
        )
        return values

    def of_noise(self, covariance: Floats) -> float:
        """What a covariance of the state adds to V of its mean."""
        return float(np.einsum("ij,ji->", self.matrix, covariance))

    def expected_return(self, mdp: LinearGaussianMDP) -> float:
        """J = (1 - gamma) E[V(s_0)]."""
        start = float(self(mdp.initial_mean)) + self.of_noise(mdp.initial_covariance)
        return (1.0 - mdp.discount) * start


def quadratic_value(
    mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, dynamics: LinearDynamics | None = None
) -> QuadraticValue:
    """V of a policy under r = -x' W x, by the Lyapunov equation H = -W_pi + gamma M' H M.

    Raises:
        InvalidArgumentError: as `expected_return`.
    """
    check_discounted_moments(mdp, policy, dynamics)
    here, gamma, size = dynamics or mdp.dynamics, mdp.discount, mdp.dynamics.state_size
    matrix, shift, noise = closed_loop(here, policy)
    along = np.vstack((np.eye(size), policy.gain))  # x = along s + aside, plus noise of the action
    aside = np.concatenate((np.zeros(size), policy.offset))
    weight = mdp.reward.matrix
    quadratic = _discounted_lyapunov(matrix, -symmetric(along.T @ weight @ along), gamma)
    linear = solve(np.eye(size) - gamma * matrix.T, -along.T @ weight @ aside + gamma * matrix.T @ quadratic @ shift)
    at_zero = -float(aside @ weight @ aside) - float(np.einsum("ij,ji->", weight[size:, size:], policy.covariance))
    after = float(shift @ quadratic @ shift + 2.0 * linear @ shift + np.einsum("ij,ji->", quadratic, noise))
    return QuadraticValue(quadratic, linear, (at_zero + gamma * after) / (1.0 - gamma))


def _discounted_lyapunov(matrix: Floats, constant: Floats, discount: float) -> Floats:
    """The solution of H = constant + discount M' H M, [n, n], by one linear system of n^2 unknowns."""
    size = len(matrix)
    system = np.eye(size * size) - discount * np.kron(matrix.T, matrix.T)
    return symmetric(solve(system, constant.ravel()).reshape(size, size))


def return_of_episodes(mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, length: int) -> float:
    """E[sum of the rewards of `length` steps], undiscounted: what an evaluation's episodes earn."""
    law = episode_law(mdp, policy, length)
    return float(mdp.reward.expectation(law.means, law.covariances).sum())
