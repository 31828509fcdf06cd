"""The truth beside the estimates, on tasks lqr-... where it is known: measured with every certificate.

    truth/discounted_return            J(pi, P*) / (1 - gamma), not cut after an episode's length
    truth/discounted_return_error      its standard error
    truth/model_divergence_nats        E_{d_pi}[KL(P*(.|s, a) || P_hat(.|s, a))], the model part of D_pi of Theorem 1
    truth/model_divergence_error       its standard error

pi takes the best actions, as in evaluations. Paths of pi under P* are simulated with the same random numbers every
time; one pair of each, after a geometric number of steps, is a draw from d_pi, and one next state a draw of the
divergence's log ratio.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ampl.randomness import stream
from continuous.algorithms.evaluation import TaskEvaluation
from continuous.algorithms.model_based import ModelBased
from continuous.evaluation.certificates import horizon
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import GaussianMixture
from continuous.linear_gaussian.problem import square_root
from continuous.linear_gaussian.tasks import LinearGaussianTask
from continuous.networks.streams import SeedStreams

PATHS = 500
_ENDLESS = 10**9


class TruthEvaluation(TaskEvaluation):
    """Measures one algorithm on a linear-Gaussian task.

    Args:
        task: the problem.
        arguments: of `TaskEvaluation`.
    """

    def __init__(self, task: LinearGaussianTask, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._mdp = task.mdp

    @torch.no_grad()
    def _certificates(self, algorithm: ModelBased[Any, Any], states: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        found = super()._certificates(algorithm, states)
        with algorithm.computing():
            pairs, returns = self._follow(algorithm)
            ratios = self._log_ratios(algorithm, pairs)
        named = (
            ("discounted_return", "discounted_return_error", returns),
            ("model_divergence_nats", "model_divergence_error", ratios),
        )
        for mean, error, samples in named:
            found[f"truth/{mean}"] = samples.mean(-1)
            found[f"truth/{error}"] = samples.std(-1, ddof=1) / math.sqrt(PATHS)
        return found

    def _follow(self, algorithm: ModelBased[Any, Any]) -> tuple[Floats, Floats]:
        """Draws (s, a) from d_pi, [K, PATHS, D + A], and discounted returns, [K, PATHS]."""
        dynamics, gamma, device = self._mdp.dynamics, algorithm.learner.discount, algorithm.table.rows.device
        acting = SeedStreams(algorithm.seeds, "truth", device)
        generators = [stream(seed, "truth") for seed in algorithm.seeds]
        start, noise = square_root(self._mdp.initial_covariance), square_root(dynamics.covariance)

        def draw() -> Floats:
            return np.stack([generator.standard_normal((PATHS, dynamics.state_size)) for generator in generators])

        stops = np.stack([generator.geometric(1.0 - gamma, PATHS) - 1 for generator in generators])
        steps = horizon(gamma, _ENDLESS)
        stops = np.minimum(stops, steps - 1)
        state = self._mdp.initial_mean + draw() @ start.T
        drawn = np.zeros((*stops.shape, self._mdp.reward.size))
        returns = np.zeros(stops.shape)
        for step in range(steps):
            action = algorithm.best_action(torch.from_numpy(state).float().to(device), acting).double().cpu().numpy()
            pairs = np.concatenate((state, action), axis=-1)
            drawn[stops == step] = pairs[stops == step]
            returns += gamma**step * self._mdp.reward(pairs)
            state = dynamics.next_mean(pairs) + draw() @ noise.T
        return drawn, returns

    def _log_ratios(self, algorithm: ModelBased[Any, Any], pairs: Floats) -> Floats:
        """log P*(s' | s, a) - log P_hat(s' | s, a) at one s' ~ P* of each pair, [K, PATHS]."""
        dynamics, device = self._mdp.dynamics, algorithm.table.rows.device
        law = GaussianMixture(np.ones(1), np.zeros((1, dynamics.state_size)), dynamics.covariance[None])
        noise = np.stack([law.sample(PATHS, stream(seed, "truth/next state")) for seed in algorithm.seeds])
        state, action, after = (
            torch.from_numpy(array).float().to(device)
            for array in (
                pairs[..., : dynamics.state_size],
                pairs[..., dynamics.state_size :],
                dynamics.next_mean(pairs) + noise,
            )
        )
        modeled = algorithm.model.next_state_log_density(state, action, after).double().cpu().numpy()
        true = np.stack([law.log_density(each) for each in noise])
        return np.asarray(true - modeled, dtype=np.float64)
