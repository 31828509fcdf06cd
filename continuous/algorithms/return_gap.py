"""The return gap on tasks lqr-..., split exactly, and both sides of Theorem 1: measured with every certificate.

    truth/return_in_model           J(pi, P_hat), under the true reward
    truth/overestimation            J(pi, P_hat) - J(pi, P*), the sum of the next two
    truth/overestimation_dense      J(pi, P_mix) - J(pi, P*)
    truth/overestimation_sparse     J(pi, P_hat) - J(pi, P_mix)
    truth/reward_overestimation     J(pi, P_hat) under the learned reward, less that under the true one
    truth/return_gap                J(pi*, P*) - J(pi, P*), the sum of the next three
    truth/gap_optimization          J(pi*, P_hat) - J(pi, P_hat): what better planning in the model would bring
    truth/gap_dense                 the model's error where data are dense: overestimation_dense of pi, less that of pi*
    truth/gap_sparse                where they are not: overestimation_sparse of pi, less that of pi*
    truth/dense_share               share of d_pi where data are dense
    truth/theorem1_gap              |J(pi, P_hat) - J(pi, P*)|, normalized: in units of one step's reward
    truth/theorem1_bound            sqrt(2) gamma r_max / (1 - gamma) sqrt(D), D the model part of D_pi and two standard
                                    errors, as D is known to no more than that
    truth/theorem1_sharp_bound      the same with sqrt(2 (1 - gamma)) for sqrt(2)
    truth/theorem1_slack            sharp bound / (gap and two standard errors)

Returns are discounted sums, J / (1 - gamma), except in Theorem 1's columns, which only bounded rewards have. Every mean
has its standard error beside it, in a column that ends in `_error`.

P_hat is the mixture of the learned elites, without its rewards and ends; P_mix is P_hat where data are dense and P*
elsewhere. By the simulation lemma, J(pi, P_mix) - J(pi, P*) is gamma / (1 - gamma) E[E_{P_hat} V - E_{P*} V] over the
dense part of d_pi alone, V of pi under P_mix; likewise the rest. (With the V of P_hat for both there would be no P_mix,
but 1 / (1 - gamma) times single draws of V have a hundred times the standard error of whole paths.) pi* is the Riccati
policy: with the bounded reward it is the one to compare with, not the best. Data are dense in the ellipsoid around the
mean of d_b, of the shape of its covariance, that holds 99 % of them: the same for all policies, models and runs.

All paths come in triples, under P*, P_hat and P_mix, that share the start, the noise of the dynamics and that of the
policy, which cancels most of the noise of differences; the paths of pi* share it, too. They end where a tenth of a
constant reward's sum is left, which is taken to be of the last reward.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.randomness import stream
from continuous.algorithms.model_based import ModelBased
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import episode_law
from continuous.linear_gaussian.square_roots import square_root
from continuous.linear_gaussian.tasks import EPISODE_LENGTH, LinearGaussianTask
from continuous.networks.streams import SeedStreams

TRIPLES = 120  # of paths; a multiple of the elites, so that both paths under a model are given the same
_TAIL = 0.1  # of a constant reward's discounted sum, when a path ends
_DENSE = 0.99  # share of the data
_STREAM = "truth/return gap"

Act = Callable[[Tensor, SeedStreams], Tensor]


class Returns(NamedTuple):
    """Discounted returns of one policy under P*, P_hat and P_mix, [K, TRIPLES] each, from the same random numbers."""

    true: Floats
    modeled: Floats
    mixed: Floats
    promised: Floats  # under P_hat, with the learned reward


class ReturnGap:
    """Splits the return gap on one task.

    Args:
        task: the problem; its optimal policy is pi*.
    """

    def __init__(self, task: LinearGaussianTask) -> None:
        self._task, self._mdp = task, task.mdp
        law = episode_law(task.mdp, task.behavior, EPISODE_LENGTH)
        self._center = law.shares @ law.means
        apart = law.means - self._center
        spread = np.einsum("t,tij->ij", law.shares, law.covariances + apart[:, :, None] * apart[:, None])
        self._whiten = np.linalg.inv(np.linalg.cholesky(spread))
        self._radius = float(np.quantile(self._distance(task.episodes().pairs()), _DENSE))
        self._root = square_root(task.mdp.dynamics.covariance)
        # Noise of P_hat comes coordinate by coordinate: turned like this, it is as near to that of P* as it can be.
        left, _, right = np.linalg.svd(np.sqrt(np.diag(task.mdp.dynamics.covariance))[:, None] * self._root)
        self._turn = np.vstack((np.zeros(len(self._root)), left @ right))  # none for the model's reward
        self._optimum: tuple[bytes, Returns] | None = None  # of the last model

    def __call__(self, algorithm: ModelBased[Any, Any], pairs: Floats, divergence: Floats) -> dict[str, Floats]:
        """The metrics, [K] each.

        Args:
            algorithm: whose best actions are pi, and whose model is P_hat.
            pairs: draws (s, a) from d_pi under P*, [K, n, D + A].
            divergence: the most that the model part of D_pi may be, [K].
        """
        own, best = self._follow(algorithm, algorithm.best_action), self._of_optimum(algorithm)
        dense, sparse = own.mixed - own.true, own.modeled - own.mixed
        found: dict[str, Floats] = {}
        for name, samples in {
            "return_in_model": own.modeled,
            "overestimation": own.modeled - own.true,
            "overestimation_dense": dense,
            "overestimation_sparse": sparse,
            "reward_overestimation": own.promised - own.modeled,
            "return_gap": best.true - own.true,
            "gap_optimization": best.modeled - own.modeled,
            "gap_dense": dense - (best.mixed - best.true),
            "gap_sparse": sparse - (best.modeled - best.mixed),
        }.items():
            found[f"truth/{name}"] = samples.mean(-1)
            found[f"truth/{name}_error"] = samples.std(-1, ddof=1) / math.sqrt(TRIPLES)
        found["truth/dense_share"] = self.is_dense(pairs).mean(-1)
        if math.isfinite(self._mdp.reward.bound):
            found |= self._theorem1(algorithm.learner.discount, found, divergence)
        return found

    def is_dense(self, pairs: Floats) -> NDArray[np.bool_]:
        """Whether data are dense at (s, a): from [K, n, D + A] to [K, n]."""
        return np.asarray(self._distance(pairs) <= self._radius)

    def _distance(self, pairs: Floats) -> Floats:
        """Mahalanobis', from the mean of d_b."""
        return np.asarray(np.linalg.norm((pairs - self._center) @ self._whiten.T, axis=-1), dtype=np.float64)

    def _theorem1(self, gamma: float, found: dict[str, Floats], divergence: Floats) -> dict[str, Floats]:
        gap, error = ((1.0 - gamma) * np.abs(found[f"truth/overestimation{end}"]) for end in ("", "_error"))
        bound = math.sqrt(2.0) * gamma * self._mdp.reward.bound / (1.0 - gamma) * np.sqrt(np.maximum(divergence, 0.0))
        sharp = math.sqrt(1.0 - gamma) * bound
        return {
            "truth/theorem1_gap": gap,
            "truth/theorem1_gap_error": error,
            "truth/theorem1_bound": bound,
            "truth/theorem1_sharp_bound": sharp,
            "truth/theorem1_slack": sharp / (gap + 2.0 * error),
        }

    def _of_optimum(self, algorithm: ModelBased[Any, Any]) -> Returns:
        """Of pi*: anew only where the model was fitted anew."""
        states = [algorithm.model.state(index) for index in range(len(algorithm.seeds))]
        now = b"".join(values.tobytes() for state in states for values in state.values())
        if self._optimum is None or self._optimum[0] != now:

            def act(state: Tensor, _: SeedStreams) -> Tensor:
                action = self._task.optimum.mean(state.double().cpu().numpy())
                return torch.from_numpy(action).float().to(state.device)

            self._optimum = now, self._follow(algorithm, act)
        return self._optimum[1]

    def _follow(self, algorithm: ModelBased[Any, Any], act: Act) -> Returns:
        """Paths of the policy `act` under P*, P_hat and P_mix."""
        gamma, model, dynamics = algorithm.learner.discount, algorithm.model, self._mdp.dynamics
        device, size = algorithm.table.rows.device, dynamics.state_size
        acting = Triplets(algorithm.seeds, f"{_STREAM}/actions", device)
        dealing = SeedStreams(algorithm.seeds, _STREAM, device)
        generators = [stream(seed, _STREAM) for seed in algorithm.seeds]

        def draw() -> Floats:
            return np.stack([generator.standard_normal((TRIPLES, size)) for generator in generators])

        def learned(pairs: Floats, noise: Floats) -> tuple[Floats, Floats]:
            """Next states under P_hat, and its reward in the task's units; the state and no reward where not finite."""
            inputs, turned = (torch.from_numpy(each).float().to(device) for each in (pairs, noise @ self._turn.T))
            shift = dealing.integers(model.config.elites, 1)
            next_state, reward = model.predict(inputs[..., :size], inputs[..., size:], turned, shift)
            reward = algorithm.in_reward_units(reward, torch.ones_like(reward))
            after, earned = (each.double().cpu().numpy() for each in (next_state, reward))
            finite = np.isfinite(after).all(-1) & np.isfinite(earned)
            return np.where(finite[..., None], after, pairs[..., :size]), np.where(finite, earned, 0.0)

        start = self._mdp.initial_mean + draw() @ square_root(self._mdp.initial_covariance).T
        state = np.concatenate((start, start, start), axis=1)  # under P*, P_hat and P_mix, [K, 3 TRIPLES, D]
        returns, promised = np.zeros(state.shape[:2]), np.zeros(start.shape[:2])
        steps = 1 if gamma <= 0.0 else math.ceil(math.log(_TAIL) / math.log(gamma))
        for step in range(steps):
            action = act(torch.from_numpy(state).float().to(device), acting).double().cpu().numpy()
            pairs = np.concatenate((state, action), axis=-1)
            weight = gamma**step if step < steps - 1 else gamma**step / (1.0 - gamma)
            returns += weight * self._mdp.reward(pairs)
            noise = draw()
            true = dynamics.next_mean(pairs) + np.tile(noise @ self._root.T, (1, 3, 1))
            modeled, earned = learned(pairs[:, TRIPLES:], np.tile(noise, (1, 2, 1)))
            promised += weight * earned[:, :TRIPLES]
            dense = self.is_dense(pairs[:, 2 * TRIPLES :])[..., None]
            mixed = np.where(dense, modeled[:, TRIPLES:], true[:, 2 * TRIPLES :])
            state = np.concatenate((true[:, :TRIPLES], modeled[:, :TRIPLES], mixed), axis=1)
        true, modeled, mixed = np.split(returns, 3, axis=1)
        return Returns(true, modeled, mixed, promised)


class Triplets(SeedStreams):
    """Streams in which each third of the rows gets the same numbers."""

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, [K, rows, ...], of a number of rows that three divides."""
        return super().normal(shape[0] // 3, *shape[1:]).repeat(1, 3, *[1] * (len(shape) - 1))
