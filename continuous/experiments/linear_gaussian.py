"""A linear-Gaussian problem as the weight estimators see it: the table of its data, affine policies, exact critics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from continuous.algorithms.ampl.rewards import rescale_rewards, reward_units
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import episode_law, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy
from continuous.linear_gaussian.returns import quadratic_value
from continuous.linear_gaussian.square_roots import square_root
from continuous.linear_gaussian.tasks import EPISODE_LENGTH, LinearGaussianTask
from continuous.linear_gaussian.weights import log_weights
from continuous.networks.stacks import StackedMLP, frozen
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


class TaskData:
    """The data of a task with a quadratic reward, and what is known exactly about them.

    Args:
        task: the problem and its behavior policy.
        start_states: how many start states the table has.

    Attributes:
        table: N transitions with rewards rescaled as AMPL rescales them.
        pairs: their (s, a), [N, D + A].
    """

    def __init__(self, task: LinearGaussianTask, start_states: int = 100_000) -> None:
        episodes = task.episodes()
        self.task, self.pairs = task, episodes.pairs()
        size, reward = task.mdp.dynamics.state_size, _tensor(episodes.rewards.ravel())
        rescaled = rescale_rewards(reward)
        self._slope, self._intercept = reward_units(reward, rescaled)
        self.table = TransitionTable(
            state=_tensor(self.pairs[:, :size]),
            action=_tensor(self.pairs[:, size:]),
            reward=rescaled,
            next_state=_tensor(episodes.next_states()),
            terminal=torch.zeros(len(reward), dtype=torch.bool),
            start_state=_tensor(task.starts(start_states)),
        )

    def exact_weights(self, policy: AffineGaussianPolicy) -> Floats:
        """w* = d_pi / d_b at every row, [N]."""
        data = episode_law(self.task.mdp, self.task.behavior, EPISODE_LENGTH)
        return np.exp(log_weights(occupancy(self.task.mdp, policy), data, self.pairs))

    def critic(self, policy: AffineGaussianPolicy) -> ExactCritic:
        """Q of a policy for the table's rewards: x = (s, a) to x'Gx + 2 g'x + c."""
        mdp, value = self.task.mdp, quadratic_value(self.task.mdp, policy)
        matrix, offset, gamma = mdp.dynamics.matrix, mdp.dynamics.offset, mdp.discount
        quadratic = -mdp.reward.matrix + gamma * matrix.T @ value.matrix @ matrix
        linear = gamma * matrix.T @ (value.matrix @ offset + value.vector)
        constant = gamma * (float(value(offset)) + value.of_noise(mdp.dynamics.covariance))
        constant -= self._intercept / (1.0 - gamma)
        return ExactCritic(quadratic / self._slope, linear / self._slope, constant / self._slope)


class ExactCritic:
    """x'Gx + 2 g'x + c where a weight estimator expects a critic, its own target: one hidden layer of squares.

    Args:
        quadratic: G, [n, n], definite.
        linear: g, [n].
        constant: c.
    """

    def __init__(self, quadratic: Floats, linear: Floats, constant: float) -> None:
        slopes, axes = np.linalg.eigh(quadratic)
        shift = axes.T @ linear / slopes
        self._network = StackedMLP((1,), (len(slopes), len(slopes), 1), torch.square, None)
        values = {
            "weight0": axes,
            "bias0": shift,
            "weight1": slopes[:, None],
            "bias1": constant - float(slopes @ shift**2),
        }
        for name, view in self._network.views.items():
            view.detach().copy_(_tensor(np.asarray(values[name])))

    def first_head(self) -> StackedMLP:
        """A frozen network of (s, a), [1, B, D + A] to [1, B, 1]."""
        return frozen(self._network)

    first_head_target = first_head


class AffinePolicy:
    """a ~ N(K s + k, C) where a weight estimator expects a policy."""

    def __init__(self, policy: AffineGaussianPolicy) -> None:
        self._gain, self._offset = _tensor(policy.gain.T), _tensor(policy.offset)
        self._root = _tensor(square_root(policy.covariance).T)

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        """[1, B, D] to [1, B, A]."""
        noise = generator.normal(state.shape[-2], len(self._offset))
        return state @ self._gain + self._offset + noise @ self._root


def on_the_way(task: LinearGaussianTask, share: float) -> AffineGaussianPolicy:
    """From the behavior policy (share 0) to the optimum's gain with half the behavior's noise (share 1)."""
    behavior, optimum = task.behavior, task.optimum
    return AffineGaussianPolicy(
        behavior.gain + share * (optimum.gain - behavior.gain),
        behavior.offset + share * (optimum.offset - behavior.offset),
        (1.0 - 0.5 * share) ** 2 * behavior.covariance,
    )


def _tensor(values: Floats) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
