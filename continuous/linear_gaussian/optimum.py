"""The best policy of a quadratic reward, by the discounted Riccati equation."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import solve_discrete_are

from ampl.errors import InvalidArgumentError
from continuous.linear_gaussian.checks import solve
from continuous.linear_gaussian.marginals import check_sizes
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP
from continuous.linear_gaussian.rewards import QuadraticReward


def optimal_policy(mdp: LinearGaussianMDP, dynamics: LinearDynamics | None = None) -> AffineGaussianPolicy:
    """The deterministic affine policy of greatest return among those under which the discounted variance exists.

    Args:
        mdp: its reward must be quadratic, with a definite block of the actions.
        dynamics: in place of the MDP's own, such as a model, whose optimum is wanted.

    Raises:
        InvalidArgumentError: another reward, actions that cost nothing, or a system that no policy holds.
    """
    if not isinstance(mdp.reward, QuadraticReward):
        raise InvalidArgumentError("the reward is not quadratic; only then the optimum is known.")
    check_sizes(mdp, dynamics)
    here, size = dynamics or mdp.dynamics, mdp.dynamics.state_size
    weight = mdp.reward.matrix
    if np.linalg.eigvalsh(weight[size:, size:]).min() <= 1e-12:
        raise InvalidArgumentError("the reward does not charge every direction of the action; expected W_aa definite.")
    if mdp.discount == 0.0:
        gain = -solve(weight[size:, size:], weight[size:, :size])
        return AffineGaussianPolicy(gain, np.zeros(here.action_size), np.zeros((here.action_size,) * 2))
    root = math.sqrt(mdp.discount)
    left, right = root * here.state_matrix, root * here.action_matrix
    try:
        cost = solve_discrete_are(left, right, weight[:size, :size], weight[size:, size:], s=weight[:size, size:])
    except (np.linalg.LinAlgError, ValueError) as error:
        raise InvalidArgumentError(f"no policy keeps the discounted cost finite ({error}).") from error
    curvature = weight[size:, size:] + right.T @ cost @ right
    gain = -solve(curvature, weight[size:, :size] + right.T @ cost @ left)
    # The value is -(s' cost s + 2 h' s + c): h follows from the shift of the dynamics.
    closed = here.state_matrix + here.action_matrix @ gain
    linear = solve(np.eye(size) - mdp.discount * closed.T, mdp.discount * closed.T @ cost @ here.offset)
    pull = mdp.discount * here.action_matrix.T @ (cost @ here.offset + linear)
    return AffineGaussianPolicy(gain, -solve(curvature, pull), np.zeros((here.action_size,) * 2))
