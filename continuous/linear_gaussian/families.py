"""Random problems and policies, for claims and tests."""

from __future__ import annotations

import numpy as np

from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP
from continuous.linear_gaussian.rewards import BoundedReward, QuadraticReward


def random_mdp(
    state_size: int,
    action_size: int,
    generator: np.random.Generator,
    *,
    discount: float,
    radius: float = 0.9,
    bounded: bool = True,
) -> LinearGaussianMDP:
    """A problem whose dynamics have the given spectral radius before anyone acts.

    Args:
        state_size: D.
        action_size: A.
        generator: of every number.
        discount: gamma.
        radius: of the state matrix.
        bounded: the reward: exp(-x'Wx/2), or -x'Wx.
    """
    matrix = generator.standard_normal((state_size, state_size))
    matrix *= radius / np.abs(np.linalg.eigvals(matrix)).max()
    dynamics = LinearDynamics(
        matrix,
        0.5 * generator.standard_normal((state_size, action_size)),
        0.2 * random_covariance(state_size, generator),
        0.1 * generator.standard_normal(state_size),
    )
    weight = random_covariance(state_size + action_size, generator)
    return LinearGaussianMDP(
        dynamics,
        generator.standard_normal(state_size),
        random_covariance(state_size, generator),
        BoundedReward(weight) if bounded else QuadraticReward(weight),
        discount,
    )


def random_policy(
    dynamics: LinearDynamics, generator: np.random.Generator, *, radius: float = 0.95, spread: float = 0.5
) -> AffineGaussianPolicy:
    """A policy under which the closed loop is stable.

    Args:
        dynamics: that it acts in; without a policy their spectral radius must be below `radius`.
        generator: of every number.
        radius: that the closed loop's may not exceed: the gain is halved until it does not.
        spread: scale of the covariance.
    """
    gain = 0.5 * generator.standard_normal((dynamics.action_size, dynamics.state_size))
    while np.abs(np.linalg.eigvals(dynamics.state_matrix + dynamics.action_matrix @ gain)).max() > radius:
        gain = 0.5 * gain
    covariance = spread**2 * random_covariance(dynamics.action_size, generator)
    return AffineGaussianPolicy(gain, 0.2 * generator.standard_normal(dynamics.action_size), covariance)


def random_covariance(size: int, generator: np.random.Generator) -> Floats:
    """A positive definite matrix with eigenvalues from 0.3 to 1.5, [size, size]."""
    rotation, _ = np.linalg.qr(generator.standard_normal((size, size)))
    covariance: Floats = (rotation * generator.uniform(0.3, 1.5, size)) @ rotation.T
    return 0.5 * (covariance + covariance.T)
