"""The truth beside the estimates, on tasks lqr-... where it is known: measured with every certificate.

    truth/discounted_return            J(pi, P*) / (1 - gamma), not cut after an episode's length
    truth/discounted_return_error      its standard error
    truth/model_divergence_nats        E_{d_pi}[KL(P*(.|s, a) || P_hat(.|s, a))], the model part of D_pi of Theorem 1
    truth/model_divergence_error       its standard error
    truth/...                          Theorem 1 and the return gap split: see `continuous.algorithms.return_gap`;
                                       these, as the divergence, of algorithms with a model only
    exact_weights/error                E_b|w - w*|: AMPL's weights on the data, of mean one, against d_pi / d_b
    exact_weights/rank_correlation     Spearman's, of w and w* over the data
    exact_weights/estimate_effective_share   (sum w)^2 / (N sum w^2) of AMPL's, and of w* in the next:
    exact_weights/effective_share

pi takes the best actions, as in evaluations. Paths of pi under P* are simulated with the same random numbers every
time; one pair of each, after a geometric number of steps, is a draw from d_pi, and one next state a draw of the
divergence's log ratio. For w* the policy acts as in training, and stands for the affine Gaussian policy that fits it
best where it goes; the columns of the weights, a group of their own, are left out where that policy's occupancy has no
variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.errors import AmplError, InvalidArgumentError
from ampl.randomness import stream
from continuous.algorithms.evaluation import TaskEvaluation
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.offline import AnyAlgorithm
from continuous.algorithms.return_gap import ReturnGap
from continuous.evaluation.certificates import horizon
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.dataset import fit_policy
from continuous.linear_gaussian.mixtures import GaussianMixture, episode_law, occupancy
from continuous.linear_gaussian.square_roots import square_root
from continuous.linear_gaussian.tasks import EPISODE_LENGTH, LinearGaussianTask
from continuous.linear_gaussian.weights import agreement, effective_share, log_weights
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable

PATHS = 200
LARGEST_DISCOUNT = 0.999
_ENDLESS = 10**9
WEIGHT_COLUMNS = (
    "exact_weights/error",
    "exact_weights/rank_correlation",
    "exact_weights/estimate_effective_share",
    "exact_weights/effective_share",
)


class TruthEvaluation(TaskEvaluation):
    """Measures one algorithm on a linear-Gaussian task.

    Args:
        task: the problem.
        arguments: of `TaskEvaluation`.
    """

    knows_exact_weights: ClassVar[bool] = True

    def __init__(self, task: LinearGaussianTask, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._mdp = task.mdp
        self._data = episode_law(task.mdp, task.behavior, EPISODE_LENGTH)
        self._return_gap = ReturnGap(task)

    def check(self, discount: float) -> None:
        """Raises:
        InvalidArgumentError: a discount at which paths would have to be followed for too long.
        """
        if discount > LARGEST_DISCOUNT:
            raise InvalidArgumentError(
                f"discount is {discount}; on tasks lqr-... expected at most {LARGEST_DISCOUNT}, as the true return is "
                "measured on paths that end where less than a thousandth of it is left."
            )

    @torch.no_grad()
    def _certificates(self, algorithm: AnyAlgorithm, states: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        found = super()._certificates(algorithm, states)
        with algorithm.computing():
            pairs, returns = self._follow(algorithm, algorithm.best_action)
            found |= _mean_and_error("discounted_return", "discounted_return_error", returns)
            if isinstance(algorithm, ModelBased):
                ratios = self._log_ratios(algorithm, pairs)
                found |= _mean_and_error("model_divergence_nats", "model_divergence_error", ratios)
                most = found["truth/model_divergence_nats"] + 2.0 * found["truth/model_divergence_error"]
                found |= self._return_gap(algorithm, pairs, most)
                if (weights := algorithm.fit_weights()) is not None:
                    visited, _ = self._follow(algorithm, algorithm.learner.policy.act)
                    found |= self._against_exact_weights(algorithm.table, visited, weights.double().cpu().numpy())
        return found

    @torch.no_grad()
    def exact_weights(self, algorithm: AnyAlgorithm) -> list[Floats | None]:
        """w* on the data of the affine Gaussian policy that fits each seed's best where it goes, [N].

        None for a policy that has no exact weights, as one that has not learned to keep the system stable.
        """
        with algorithm.computing():
            visited, _ = self._follow(algorithm, algorithm.learner.policy.act)
        return self._exact_weights(algorithm.table, visited)

    def _exact_weights(self, table: TransitionTable, visited: Floats) -> list[Floats | None]:
        """The same, from draws (s, a) from d_pi, [K, PATHS, D + A]."""
        size, found = table.observation_size, list[Floats | None]()
        pairs = torch.cat((table.state, table.action), dim=-1).double().cpu().numpy()
        for drawn in visited:
            try:
                reached = occupancy(self._mdp, fit_policy(drawn[:, :size], drawn[:, size:]))
                weights = np.exp(log_weights(reached, self._data, pairs))
            except AmplError:
                found.append(None)
            else:
                found.append(weights if np.isfinite(weights).all() else None)
        return found

    def _against_exact_weights(self, table: TransitionTable, visited: Floats, estimated: Floats) -> dict[str, Floats]:
        """The metrics of the weights, [K] each, nan for a seed that has no exact weights.

        Args:
            table: the data, N transitions.
            visited: draws (s, a) from d_pi, [K, PATHS, D + A].
            estimated: of mean one, [K, N].
        """
        rows = []
        for weights, exact in zip(estimated, self._exact_weights(table, visited), strict=True):
            if exact is None or not np.isfinite(weights).all():
                rows.append((math.nan,) * len(WEIGHT_COLUMNS))
                continue
            near = agreement(weights, exact)
            rows.append((near.error, near.rank_correlation, near.effective_share, effective_share(exact)))
        return dict(zip(WEIGHT_COLUMNS, np.array(rows).T, strict=True))

    def _follow(self, algorithm: AnyAlgorithm, act: Callable[[Tensor, SeedStreams], Tensor]) -> tuple[Floats, Floats]:
        """Draws (s, a) from d_pi, [K, PATHS, D + A], and discounted returns, [K, PATHS], where `act` is pi."""
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
            action = act(torch.from_numpy(state).float().to(device), acting).double().cpu().numpy()
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


def _mean_and_error(mean: str, error: str, samples: Floats) -> dict[str, Floats]:
    """Two metrics, [K] each, from [K, PATHS]."""
    return {f"truth/{mean}": samples.mean(-1), f"truth/{error}": samples.std(-1, ddof=1) / math.sqrt(PATHS)}
