"""Linear dynamics with Gaussian noise, affine Gaussian policies, and the problem that they make with a reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidShapeError
from continuous.linear_gaussian.checks import (
    Floats,
    check_discount,
    checked_array,
    checked_covariance,
    freeze,
    symmetric,
)
from continuous.linear_gaussian.rewards import Reward
from continuous.linear_gaussian.square_roots import square_root


@dataclass(frozen=True, eq=False)
class LinearDynamics:
    """s' ~ N(A s + B a + c, Sigma): the true dynamics or a model of them.

    Attributes:
        state_matrix: A, [D, D].
        action_matrix: B, [D, A].
        covariance: Sigma, [D, D], positive semidefinite.
        offset: c, [D].

    Raises:
        InvalidShapeError, InvalidArgumentError, InvalidDistributionError: sizes that disagree, or no covariance.
    """

    state_matrix: Floats
    action_matrix: Floats
    covariance: Floats
    offset: Floats

    def __post_init__(self) -> None:
        state_matrix = checked_array("state_matrix", self.state_matrix, (None, None))
        size = len(state_matrix)
        freeze(
            self,
            state_matrix=checked_array("state_matrix", state_matrix, (size, size)),
            action_matrix=checked_array("action_matrix", self.action_matrix, (size, None)),
            covariance=checked_covariance("covariance of the dynamics", self.covariance, size),
            offset=checked_array("offset of the dynamics", self.offset, (size,)),
        )

    @property
    def state_size(self) -> int:
        """D."""
        return len(self.state_matrix)

    @property
    def action_size(self) -> int:
        """A."""
        return self.action_matrix.shape[1]

    @property
    def matrix(self) -> Floats:
        """(A B), which multiplies x = (s, a), [D, D + A]."""
        return np.hstack((self.state_matrix, self.action_matrix))

    def next_mean(self, pairs: Floats) -> Floats:
        """A s + B a + c: from x = (s, a), [..., D + A], to [..., D]."""
        mean: Floats = pairs @ self.matrix.T + self.offset
        return mean


@dataclass(frozen=True, eq=False)
class AffineGaussianPolicy:
    """a ~ N(K s + k, C).

    Attributes:
        gain: K, [A, D].
        offset: k, [A].
        covariance: C, [A, A], positive semidefinite; zero for a deterministic policy, which has no density.

    Raises:
        InvalidShapeError, InvalidArgumentError, InvalidDistributionError: sizes that disagree, or no covariance.
    """

    gain: Floats
    offset: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        gain = checked_array("gain", self.gain, (None, None))
        freeze(
            self,
            gain=gain,
            offset=checked_array("offset of the policy", self.offset, (len(gain),)),
            covariance=checked_covariance("covariance of the policy", self.covariance, len(gain)),
        )

    @property
    def action_size(self) -> int:
        """A."""
        return len(self.gain)

    @property
    def state_size(self) -> int:
        """D."""
        return self.gain.shape[1]

    def mean(self, states: Floats) -> Floats:
        """K s + k: from [..., D] to [..., A]."""
        mean: Floats = states @ self.gain.T + self.offset
        return mean

    def act(self, states: Floats, generator: np.random.Generator) -> Floats:
        """Sampled actions: from [..., D] to [..., A]."""
        mean = self.mean(states)
        return mean + generator.standard_normal(mean.shape) @ square_root(self.covariance).T

    def joint(self, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """Mean and covariance of (s, a) where s ~ N(mean, covariance).

        Args:
            means: of the states, [..., D].
            covariances: of the states, [..., D, D].

        Returns:
            [..., D + A] and [..., D + A, D + A].
        """
        crossed = covariances @ self.gain.T
        action = self.gain @ crossed + self.covariance
        top = np.concatenate((covariances, crossed), axis=-1)
        bottom = np.concatenate((crossed.swapaxes(-1, -2), action), axis=-1)
        return np.concatenate((means, self.mean(means)), axis=-1), symmetric(np.concatenate((top, bottom), axis=-2))


@dataclass(frozen=True, eq=False)
class LinearGaussianMDP:
    """Linear dynamics, a Gaussian start, a reward and a discount; episodes never end.

    Attributes:
        dynamics: P*.
        initial_mean: m0, [D].
        initial_covariance: S0, [D, D], positive semidefinite.
        reward: r(s, a).
        discount: gamma in [0, 1).

    Raises:
        InvalidShapeError, InvalidArgumentError, InvalidDistributionError, InvalidDiscountError: as the parts say.
    """

    dynamics: LinearDynamics
    initial_mean: Floats
    initial_covariance: Floats
    reward: Reward
    discount: float

    def __post_init__(self) -> None:
        size = self.dynamics.state_size
        freeze(
            self,
            initial_mean=checked_array("initial_mean", self.initial_mean, (size,)),
            initial_covariance=checked_covariance("initial_covariance", self.initial_covariance, size),
        )
        check_discount(self.discount)
        pair = size + self.dynamics.action_size
        if self.reward.size != pair:
            raise InvalidShapeError(
                f"the reward's matrix has {self.reward.size} rows; expected {pair}, for {size} coordinates of the "
                f"state and {self.dynamics.action_size} of the action."
            )


def closed_loop(dynamics: LinearDynamics, policy: AffineGaussianPolicy) -> tuple[Floats, Floats, Floats]:
    """s' ~ N(M s + u, N) under a policy: M = A + B K, u = B k + c and N = B C B' + Sigma.

    Raises:
        InvalidShapeError: a policy of other sizes.
    """
    expected = (dynamics.action_size, dynamics.state_size)
    if policy.gain.shape != expected:
        raise InvalidShapeError(f"gain of the policy has shape {policy.gain.shape}; the dynamics need {expected}.")
    action = dynamics.action_matrix
    return (
        dynamics.state_matrix + action @ policy.gain,
        action @ policy.offset + dynamics.offset,
        symmetric(action @ policy.covariance @ action.T + dynamics.covariance),
    )
