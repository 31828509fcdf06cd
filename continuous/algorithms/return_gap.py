"""The return gap on tasks lqr-..., split exactly, and both sides of Theorem 1: measured with every certificate.

    truth/return_in_model           J(pi, P_hat), under the true reward
    truth/overestimation            J(pi, P_hat) - J(pi, P*)
    truth/overestimation_dense      what of it arises at pairs (s, a) where the data are dense
    truth/return_gap                J(pi*, P*) - J(pi, P*), the sum of the next three
    truth/gap_optimization          J(pi*, P_hat) - J(pi, P_hat): what better planning in the model would bring
    truth/gap_dense, gap_sparse     [J(pi*, P*) - J(pi*, P_hat)] + [J(pi, P_hat) - J(pi, P*)]: the model's error, by
                                    whether it arises where the data are dense
    truth/dense_share               share of d_pi where the data are dense
    truth/theorem1_gap              |J(pi, P_hat) - J(pi, P*)|, normalized: in units of one step's reward
    truth/theorem1_bound            sqrt(2) gamma r_max / (1 - gamma) sqrt(D), D the model part of D_pi
    truth/theorem1_sharp_bound      the same with sqrt(2 (1 - gamma)) for sqrt(2)
    truth/theorem1_slack_at_least   sharp bound / (gap + two standard errors)

Returns are discounted sums, J / (1 - gamma), except in Theorem 1's columns, which only bounded rewards have. Every mean
has its standard error beside it, in a column that ends in `_error`; what is not a finite number is left out.

P_hat is the mixture of the learned elites, without its rewards and ends. pi* is the Riccati policy: with the bounded
reward it is the one to compare with, not the best. Dense is where log d_b(s, a) is at least its 1 % quantile over the
data: the region of highest density that holds 99 % of them, the same for all policies, models and runs of a task.

All paths are pairs that share a start, the noise of the dynamics and that of the policy, which cancels most of the
noise of differences. They end where a twentieth of a constant reward's sum is left, which is taken to be of the last
reward. Where the model's error arises follows from the simulation lemma,

    J(pi, P_hat) - J(pi, P*) = gamma / (1 - gamma) E_{d_pi}[E_{P_hat}[V(s')] - E_{P*}[V(s')]],   V of pi under P_hat,

by one next state of each at draws (s, a) from d_pi of P*, from which pi is followed under P_hat for a geometric number
of steps. What lies where data are sparse is the whole error less what lies where they are dense.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampl.randomness import stream
from continuous.algorithms.model_based import ModelBased
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import episode_law, occupancy
from continuous.linear_gaussian.problem import square_root
from continuous.linear_gaussian.tasks import EPISODE_LENGTH, LinearGaussianTask
from continuous.networks.streams import SeedStreams

WHOLE_PATHS = 100  # pairs of paths, one under P*, one under P_hat
DRAWS = 150  # from d_pi, where the error of one step is measured
_DENSE, _EVERY = 0.99, 4  # share of the data; every fourth row is looked at
_TAIL = 0.05  # of a constant reward's discounted sum, when a path ends
_STREAM = "truth/return gap"

Act = Callable[[Tensor, SeedStreams], Tensor]


class Paths(NamedTuple):
    """What one policy earns, for K seeds.

    Attributes:
        true: discounted returns under P*, [K, WHOLE_PATHS].
        modeled: under P_hat, from the same starts and with the same noise.
        one_step: gamma / (1 - gamma) (V(s'_hat) - V(s'_*)), [K, DRAWS]: draws of mean J(pi, P_hat) - J(pi, P*).
        dense: whether the data are dense at the pair that was drawn, [K, DRAWS].
    """

    true: Floats
    modeled: Floats
    one_step: Floats
    dense: NDArray[np.bool_]


class ReturnGap:
    """Splits the return gap on one task.

    Args:
        task: the problem; its optimal policy is pi*.
    """

    def __init__(self, task: LinearGaussianTask) -> None:
        self._task, self._mdp = task, task.mdp
        self._data = episode_law(task.mdp, task.behavior, EPISODE_LENGTH)
        self._root = square_root(task.mdp.dynamics.covariance)
        # Noise of P_hat comes coordinate by coordinate: turned like this, it is as near to that of P* as it can be.
        left, _, right = np.linalg.svd(np.sqrt(np.diag(task.mdp.dynamics.covariance))[:, None] * self._root)
        self._turn = np.vstack((np.zeros(len(self._root)), left @ right))  # none for the model's reward
        self._optimum: tuple[bytes, Paths] | None = None  # of the last model

    def __call__(self, algorithm: ModelBased[Any, Any], pairs: Floats, divergence: Floats) -> dict[str, Floats]:
        """The metrics, [K] each.

        Args:
            algorithm: whose best actions are pi, and whose model is P_hat.
            pairs: draws (s, a) from d_pi under P*, [K, DRAWS or more, D + A].
            divergence: the model part of D_pi, [K].
        """
        gamma = algorithm.learner.discount
        dense = self.is_dense(pairs)
        own, best = self._follow(algorithm, algorithm.best_action, pairs[:, :DRAWS]), self._of_optimum(algorithm)
        over, of_model = own.modeled - own.true, (best.true - best.modeled) + (own.modeled - own.true)
        near = np.where(own.dense, own.one_step, 0.0)
        found: dict[str, Floats] = {}
        for name, samples in {
            "return_in_model": own.modeled,
            "overestimation": over,
            "overestimation_dense": near,
            "return_gap": best.true - own.true,
            "gap_optimization": best.modeled - own.modeled,
            "gap_dense": near - np.where(best.dense, best.one_step, 0.0),
            "gap_sparse": of_model,
        }.items():
            found[f"truth/{name}"] = samples.mean(-1)
            found[f"truth/{name}_error"] = samples.std(-1, ddof=1) / math.sqrt(samples.shape[-1])
        found["truth/gap_sparse"] = found["truth/gap_sparse"] - found["truth/gap_dense"]
        found["truth/gap_sparse_error"] = np.hypot(found["truth/gap_sparse_error"], found["truth/gap_dense_error"])
        found["truth/dense_share"] = dense.mean(-1)
        if math.isfinite(self._mdp.reward.bound):
            found |= self._theorem1(gamma, found, divergence)
        return found

    def is_dense(self, pairs: Floats) -> NDArray[np.bool_]:
        """Whether the data are dense at (s, a): from [K, n, D + A] to [K, n]."""
        known = np.isfinite(pairs)
        density = self._data.log_density(np.where(known, pairs, 0.0).reshape(-1, pairs.shape[-1]))
        return np.asarray(known.all(axis=-1) & (density.reshape(pairs.shape[:-1]) >= self._least_density))

    @cached_property
    def _least_density(self) -> float:
        return float(np.quantile(self._data.log_density(self._task.episodes().pairs()[::_EVERY]), 1.0 - _DENSE))

    def _theorem1(self, gamma: float, found: dict[str, Floats], divergence: Floats) -> dict[str, Floats]:
        gap, error = ((1.0 - gamma) * np.abs(found[f"truth/overestimation{end}"]) for end in ("", "_error"))
        bound = math.sqrt(2.0) * gamma * self._mdp.reward.bound / (1.0 - gamma) * np.sqrt(np.maximum(divergence, 0.0))
        sharp = math.sqrt(1.0 - gamma) * bound
        return {
            "truth/theorem1_gap": gap,
            "truth/theorem1_gap_error": error,
            "truth/theorem1_bound": bound,
            "truth/theorem1_sharp_bound": sharp,
            "truth/theorem1_slack_at_least": sharp / (gap + 2.0 * error),
        }

    def _of_optimum(self, algorithm: ModelBased[Any, Any]) -> Paths:
        """Of pi*: anew only where the model was fitted anew."""
        now = b"".join(
            values.tobytes()
            for index in range(len(algorithm.seeds))
            for values in algorithm.model.state(index).values()
        )
        if self._optimum is None or self._optimum[0] != now:
            policy = self._task.optimum

            def act(state: Tensor, _: SeedStreams) -> Tensor:
                return torch.from_numpy(policy.mean(state.double().cpu().numpy())).float().to(state.device)

            law = occupancy(self._mdp, policy)
            pairs = np.stack([law.sample(DRAWS, stream(seed, f"{_STREAM}/optimum")) for seed in algorithm.seeds])
            self._optimum = now, self._follow(algorithm, act, pairs)
        return self._optimum[1]

    def _follow(self, algorithm: ModelBased[Any, Any], act: Act, pairs: Floats) -> Paths:
        """Two halves that share all noise: whole paths under P* and P_hat, and paths under P_hat from s'_* and s'_hat.

        Args:
            algorithm: whose model and discount.
            act: pi.
            pairs: draws from d_pi, [K, DRAWS, D + A].
        """
        gamma, elites, dynamics = algorithm.learner.discount, algorithm.model.config.elites, self._mdp.dynamics
        device, size = algorithm.table.rows.device, dynamics.state_size
        acting, dealing = Twins(algorithm.seeds, _STREAM, device), SeedStreams(algorithm.seeds, _STREAM, device)
        generators = [stream(seed, _STREAM) for seed in algorithm.seeds]

        def draw(count: int) -> Floats:
            return np.stack([generator.standard_normal((count, size)) for generator in generators])

        def model_step(at: Floats, noise: Floats) -> Floats:
            inputs, turned = (torch.from_numpy(each).float().to(device) for each in (at, noise @ self._turn.T))
            shift = dealing.integers(elites, 1)
            found = (
                algorithm.model.predict(inputs[..., :size], inputs[..., size:], turned, shift)[0].double().cpu().numpy()
            )
            return np.where(np.isfinite(found).all(-1, keepdims=True), found, at[..., :size])

        steps, lengths = _steps(gamma), _geometric(gamma)
        start = self._mdp.initial_mean + draw(WHOLE_PATHS) @ square_root(self._mdp.initial_covariance).T
        noise = draw(DRAWS)
        after = dynamics.next_mean(pairs) + noise @ self._root.T, model_step(pairs, noise)
        state = np.concatenate((start, after[0], start, after[1]), axis=1)  # [K, 2 half, D]
        whole, ahead = np.zeros((2, len(generators), WHOLE_PATHS)), np.zeros((2, len(generators), DRAWS))
        half = WHOLE_PATHS + DRAWS
        for step in range(steps):
            alive = int(np.count_nonzero(lengths >= step))
            rows = WHOLE_PATHS + min(DRAWS, -(-alive // elites) * elites)  # so that both of a pair get the same elite
            if rows < half:
                state, half = np.concatenate((state[:, :rows], state[:, half : half + rows]), axis=1), rows
            action = act(torch.from_numpy(state).float().to(device), acting).double().cpu().numpy()
            at = np.concatenate((state, action), axis=-1)
            reward = self._mdp.reward(at)
            for side, first in enumerate((0, half)):
                whole[side] += gamma**step * reward[:, first : first + WHOLE_PATHS]
                ahead[side, :, :alive] += reward[:, first + WHOLE_PATHS : first + WHOLE_PATHS + alive]
            noise = np.tile(draw(half), (1, 2, 1))
            true = dynamics.next_mean(at[:, :WHOLE_PATHS]) + noise[:, :WHOLE_PATHS] @ self._root.T
            state = np.concatenate((true, model_step(at[:, WHOLE_PATHS:], noise[:, WHOLE_PATHS:])), axis=1)
        for side, first in enumerate((0, half)):
            whole[side] += gamma**steps / (1.0 - gamma) * reward[:, first : first + WHOLE_PATHS]
        return Paths(whole[0], whole[1], gamma / (1.0 - gamma) * (ahead[1] - ahead[0]), self.is_dense(pairs))


def _steps(gamma: float) -> int:
    """Steps of a path."""
    return 1 if gamma <= 0.0 else math.ceil(math.log(_TAIL) / math.log(gamma))


def _geometric(gamma: float) -> Floats:
    """Lengths N with P(N >= k) = gamma^k, longest first, one from each of DRAWS equally likely ranges: [DRAWS]."""
    if gamma <= 0.0:
        return np.zeros(DRAWS)
    return np.floor(np.log((np.arange(DRAWS) + 0.5) / DRAWS) / math.log(gamma))


class Twins(SeedStreams):
    """Streams in which the second half of the rows gets the same numbers as the first."""

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, [K, rows, ...], of an even number of rows."""
        return super().normal(shape[0] // 2, *shape[1:]).repeat(1, 2, *[1] * (len(shape) - 1))
