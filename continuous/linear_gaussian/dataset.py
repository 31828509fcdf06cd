"""Sampled episodes, and the affine-Gaussian laws that fit rows best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError, check_at_least
from continuous.linear_gaussian.checks import Floats, checked_array, symmetric
from continuous.linear_gaussian.problem import (
    AffineGaussianPolicy,
    LinearDynamics,
    LinearGaussianMDP,
    closed_loop,
)
from continuous.linear_gaussian.square_roots import square_root


@dataclass(frozen=True, eq=False)
class Episodes:
    """N episodes of L steps.

    Attributes:
        states: [N, L + 1, D], the last one without an action.
        actions: [N, L, A].
        rewards: [N, L].
    """

    states: Floats
    actions: Floats
    rewards: Floats

    def pairs(self) -> Floats:
        """All (s, a), [N L, D + A]."""
        both = np.concatenate((self.states[:, :-1], self.actions), axis=-1)
        return both.reshape(-1, both.shape[-1])

    def next_states(self) -> Floats:
        """All s', [N L, D]."""
        return self.states[:, 1:].reshape(-1, self.states.shape[-1])


def sample_episodes(
    mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, *, episodes: int, length: int, generator: np.random.Generator
) -> Episodes:
    """Independent episodes, all stepped at once.

    Raises:
        InvalidArgumentError: no episodes or no steps.
    """
    check_at_least("episodes", episodes, 1)
    check_at_least("length", length, 1)
    dynamics = mdp.dynamics
    closed_loop(dynamics, policy)  # for its check of the sizes
    start, noise = square_root(mdp.initial_covariance), square_root(dynamics.covariance)
    states = np.empty((episodes, length + 1, dynamics.state_size))
    actions = np.empty((episodes, length, dynamics.action_size))
    states[:, 0] = mdp.initial_mean + generator.standard_normal((episodes, dynamics.state_size)) @ start.T
    for step in range(length):
        actions[:, step] = policy.act(states[:, step], generator)
        mean = dynamics.next_mean(np.hstack((states[:, step], actions[:, step])))
        states[:, step + 1] = mean + generator.standard_normal(mean.shape) @ noise.T
    return Episodes(states, actions, mdp.reward(np.concatenate((states[:, :-1], actions), axis=-1)))


def fit_policy(states: Floats, actions: Floats, weights: Floats | None = None) -> AffineGaussianPolicy:
    """The affine Gaussian policy of greatest (weighted) likelihood, of rows [N, D] and [N, A]."""
    matrix, offset, covariance = _regress(states, actions, weights)
    return AffineGaussianPolicy(matrix, offset, covariance)


def fit_dynamics(states: Floats, actions: Floats, next_states: Floats, weights: Floats | None = None) -> LinearDynamics:
    """The linear-Gaussian model of greatest (weighted) likelihood, of rows [N, D], [N, A] and [N, D]."""
    matrix, offset, covariance = _regress(np.hstack((states, actions)), next_states, weights)
    if len(states) != len(actions):
        raise InvalidShapeError(f"there are {len(states)} rows of states and {len(actions)} of actions.")
    size = states.shape[1]
    return LinearDynamics(matrix[:, :size], matrix[:, size:], covariance, offset)


def _regress(inputs: Floats, outputs: Floats, weights: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Least squares with an intercept: matrix, offset, and covariance of what is left."""
    inputs, outputs = checked_array("inputs", inputs, (None, None)), checked_array("outputs", outputs, (None, None))
    if len(inputs) != len(outputs):
        raise InvalidShapeError(f"there are {len(inputs)} rows of inputs and {len(outputs)} of outputs.")
    share = np.ones(len(inputs)) if weights is None else checked_array("weights", weights, (len(inputs),))
    if share.min() < 0.0 or not share.sum() > 0.0:
        raise InvalidArgumentError("weights are negative or all zero; expected weights of at least zero.")
    design = np.hstack((inputs, np.ones((len(inputs), 1))))
    root = np.sqrt(share)[:, None]
    found, _, rank, _ = np.linalg.lstsq(root * design, root * outputs, rcond=None)
    solution = np.asarray(found, dtype=np.float64)
    if rank < design.shape[1]:
        raise InvalidArgumentError(
            f"{np.count_nonzero(share)} rows span {rank} of {design.shape[1]} directions; a fit needs all of them."
        )
    left = root * (outputs - design @ solution)
    return solution[:-1].T, solution[-1], symmetric(left.T @ left / share.sum())
