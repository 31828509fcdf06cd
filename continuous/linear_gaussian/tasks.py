"""The tasks `lqr-...`: linear-Gaussian problems with a behavior policy, on which the deep algorithms run unchanged.

They are this project's own. Each has a quadratic reward, so that its optimum is known, or with `-bounded` after its
name the bounded one, which the theorems need. How well the data cover what the optimum does is named before that:
`-near` and `-far` for more and less of the optimal gain, `-narrow` for less noise. Forces are scaled so that actions of
the optimum and of the data stay in [-1, 1].
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ampl.errors import InvalidArgumentError
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.dataset import Episodes, sample_episodes
from continuous.linear_gaussian.families import random_mdp
from continuous.linear_gaussian.optimum import optimal_policy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP
from continuous.linear_gaussian.returns import return_of_episodes
from continuous.linear_gaussian.rewards import BoundedReward, QuadraticReward
from continuous.linear_gaussian.square_roots import square_root

DISCOUNT = 0.99
EPISODE_LENGTH = 100  # steps, of the data's episodes and of an evaluation's
N_EPISODES = 200  # in the data
LARGEST_SIZES = (8, 4)  # D and A of lqr-random-D-A
COVERAGES: Mapping[str | None, tuple[float, float]] = {
    None: (0.5, 1.0),
    "near": (0.75, 1.0),
    "far": (0.25, 1.0),
    "narrow": (0.5, 0.5),
}
"""By the word in a name, how much of the optimal gain and of the noise the behavior policy has."""
_NAME = re.compile(
    r"lqr-(?:pointmass(?P<plane>-2d)?|random-(?P<states>[1-9]\d*)-(?P<actions>[1-9]\d*))"
    r"(?:-(?P<coverage>near|far|narrow))?(?P<bounded>-bounded)?"
)
_DIGITS = 9  # of what is recorded, behind the point: the same on every machine


@dataclass(frozen=True, eq=False)
class LinearGaussianTask:
    """A problem with the policy that collected its data.

    Attributes:
        name: "lqr-pointmass", for example.
        mdp: the problem.
        behavior: pi_b: a part of the optimal gain, with noise; see COVERAGES.
        optimum: the best policy under the quadratic reward.
    """

    name: str
    mdp: LinearGaussianMDP
    behavior: AffineGaussianPolicy
    optimum: AffineGaussianPolicy

    def episodes(self, seed: int = 0) -> Episodes:
        """The data: 200 episodes of 100 steps; the same seed gives the same bytes."""
        generator = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return sample_episodes(self.mdp, self.behavior, episodes=N_EPISODES, length=EPISODE_LENGTH, generator=generator)

    def starts(self, count: int, seed: int = 0) -> Floats:
        """States that episodes start from, [count, D]."""
        generator = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        root = square_root(self.mdp.initial_covariance)
        return self.mdp.initial_mean + generator.standard_normal((count, len(root))) @ root.T

    def reference_returns(self) -> tuple[float, float]:
        """Undiscounted returns of an episode that score 0 and 100: the behavior's and the optimum's, both exact."""
        low, high = (return_of_episodes(self.mdp, policy, EPISODE_LENGTH) for policy in (self.behavior, self.optimum))
        return low, high

    def description(self) -> dict[str, Any]:
        """What a run records of behavior and optimum, as JSON values: a ~ N(gain s + offset, covariance), and returns.

        Returns are undiscounted, of an episode, in reward units: those of `reference_returns`.
        """
        low, high = self.reference_returns()
        return {
            name: {
                "gain": policy.gain.round(_DIGITS).tolist(),
                "offset": (policy.offset.round(_DIGITS) + 0.0).tolist(),
                "covariance": policy.covariance.round(_DIGITS).tolist(),
                "episode_return": round(earned, _DIGITS),
                "score": score,
            }
            for name, policy, earned, score in (
                ("behavior", self.behavior, low, 0.0),
                ("optimum", self.optimum, high, 100.0),
            )
        }


@cache
def find_linear_gaussian(name: str) -> LinearGaussianTask:
    """The task of this name.

    Raises:
        InvalidArgumentError: a name that is not lqr-pointmass, lqr-pointmass-2d or lqr-random-D-A, with or without
            a coverage and -bounded, or sizes beyond what is meant.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise InvalidArgumentError(
            f"'{name}' is no linear-Gaussian task; expected lqr-pointmass, lqr-pointmass-2d or lqr-random-D-A with the "
            "sizes of state and action, such as lqr-random-4-2, then -near, -far, -narrow or nothing, then -bounded or "
            "nothing."
        )
    if parts["states"] is None:
        quadratic, noise = _point_mass(2 if parts["plane"] else 1), 0.2
    else:
        sizes = int(parts["states"]), int(parts["actions"])
        if not all(1 <= size <= largest for size, largest in zip(sizes, LARGEST_SIZES, strict=True)):
            raise InvalidArgumentError(f"'{name}' has sizes {sizes}; expected at least 1 and at most {LARGEST_SIZES}.")
        quadratic, noise = _random(*sizes), 0.15
    optimum = optimal_policy(quadratic)
    size = optimum.action_size
    gain_share, noise_share = COVERAGES[parts["coverage"]]
    behavior = AffineGaussianPolicy(
        gain_share * optimum.gain, optimum.offset, (noise_share * noise) ** 2 * np.eye(size)
    )
    reward = BoundedReward(quadratic.reward.matrix) if parts["bounded"] else quadratic.reward
    return LinearGaussianTask(name, replace(quadratic, reward=reward), behavior, optimum)


def _point_mass(dimensions: int) -> LinearGaussianMDP:
    """Position and velocity of a mass that a force moves towards the origin, a tenth of a second a step."""
    axes, step, force = np.eye(dimensions), 0.1, 5.0

    def along_each(matrix: ArrayLike) -> Floats:
        return np.asarray(np.kron(np.asarray(matrix), axes), dtype=np.float64)

    dynamics = LinearDynamics(
        along_each([[1.0, step], [0.0, 1.0]]),
        along_each([[0.5 * force * step**2], [force * step]]),
        along_each(np.diag([0.01**2, 0.05**2])),
        np.zeros(2 * dimensions),
    )
    weight = along_each(np.diag([1.0, 0.1, 2.5]))  # of positions, velocities and actions
    start = along_each(np.diag([0.5**2, 0.25**2]))
    return LinearGaussianMDP(dynamics, np.zeros(2 * dimensions), start, QuadraticReward(weight), DISCOUNT)


def _random(state_size: int, action_size: int) -> LinearGaussianMDP:
    """A random pair that neither grows nor shrinks when left alone, with the force scaled to what the optimum needs."""
    generator = np.random.default_rng([state_size, action_size])
    drawn = random_mdp(state_size, action_size, generator, discount=DISCOUNT, radius=1.0).dynamics
    start = 0.1 * np.eye(state_size)

    def forced(force: float) -> LinearGaussianMDP:
        dynamics = LinearDynamics(
            drawn.state_matrix, force * drawn.action_matrix, 0.01 * drawn.covariance, np.zeros(state_size)
        )
        weight = np.diag([1.0] * state_size + [force**2] * action_size)
        return LinearGaussianMDP(dynamics, np.zeros(state_size), start, QuadraticReward(weight), DISCOUNT)

    gain = optimal_policy(forced(1.0)).gain
    largest = float(np.sqrt(np.diag(gain @ start @ gain.T).max()))  # standard deviation of an action at the start
    return forced(max(1.0, largest / 0.15))
