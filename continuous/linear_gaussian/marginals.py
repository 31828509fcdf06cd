"""The law of the state at every step under a policy: m_{t+1} = M m_t + u, V_{t+1} = M V_t M' + N."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.linear_gaussian.checks import Floats, symmetric
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP, closed_loop

_SAME = 1e-14  # relative difference
NEGLIGIBLE = 1e-12  # gamma^t from which on steps are left out of sums over t


def state_marginals(
    mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, dynamics: LinearDynamics | None = None
) -> Iterator[tuple[Floats, Floats]]:
    """Mean [D] and covariance [D, D] of s_0, s_1, ..., without end.

    Args:
        mdp: whose start and dynamics.
        policy: who acts.
        dynamics: in place of the MDP's own, such as a model.
    """
    check_sizes(mdp, dynamics)
    matrix, shift, noise = closed_loop(dynamics or mdp.dynamics, policy)
    mean, covariance = mdp.initial_mean, mdp.initial_covariance
    while True:
        yield mean, covariance
        mean, covariance = matrix @ mean + shift, symmetric(matrix @ covariance @ matrix.T + noise)


def check_sizes(mdp: LinearGaussianMDP, dynamics: LinearDynamics | None) -> None:
    """Raises:
    InvalidShapeError: dynamics in place of the MDP's own that have other sizes.
    """
    own, other = ((each.state_size, each.action_size) for each in (mdp.dynamics, dynamics or mdp.dynamics))
    if own != other:
        raise InvalidShapeError(f"the dynamics are for states and actions of sizes {other}; the MDP's are {own}.")


def has_settled(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> bool:
    """Whether a law is the same at two successive steps, to rounding.

    Every entry has a scale of its own, so that no large coordinate hides what happens in a small one: the mean of a
    coordinate has its own size plus the coordinate's standard deviation, so that it may tend to zero where there is
    noise, and a covariance has the product of both standard deviations.

    Args:
        before: mean [..., D] and covariance [D, D].
        after: the same, one step later.
    """
    (mean, covariance), (next_mean, next_covariance) = before, after
    deviation = np.sqrt(np.maximum(next_covariance.diagonal(), 0.0))
    if not (np.abs(next_mean - mean) <= _SAME * (np.abs(next_mean) + deviation)).all():
        return False
    return bool((np.abs(next_covariance - covariance) <= _SAME * deviation[:, None] * deviation).all())


def discount_horizon(discount: float, growth: float = 1.0) -> int:
    """Steps t = 0, 1, ... until gamma^t growth^t is negligible; one where gamma is zero.

    Args:
        discount: gamma, in [0, 1).
        growth: of what is discounted, a step; less than 1 / gamma.
    """
    return 1 if discount == 0.0 else max(1, math.ceil(math.log(NEGLIGIBLE) / math.log(discount * growth)))


def check_discounted_moments(
    mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, dynamics: LinearDynamics | None = None
) -> float:
    """That sum_t gamma^t V_t exists.

    Returns:
        The spectral radius of the closed loop.

    Raises:
        InvalidArgumentError: the closed loop grows by 1 / sqrt(gamma) a step or faster.
    """
    check_sizes(mdp, dynamics)
    matrix, _, _ = closed_loop(dynamics or mdp.dynamics, policy)
    radius = float(np.abs(np.linalg.eigvals(matrix)).max())
    if radius * math.sqrt(mdp.discount) >= 1.0:
        raise InvalidArgumentError(
            f"the closed loop A + B K has spectral radius {radius:.6g}; at discount {mdp.discount:g} expected less "
            f"than 1 / sqrt(discount) = {1 / math.sqrt(mdp.discount):.6g}; else its variance is infinite."
        )
    return radius
