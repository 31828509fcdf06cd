"""How far estimators of the weights are from w*, against the number of transitions.  Source: theory.md, section 7."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ampl.errors import InvalidDistributionError, NotConvergedError, UncoveredPairsError
from ampl.files import check_replaceable, write_npz
from ampl.progress import progress
from tabular.exact.dataset import sample_dataset
from tabular.exact.occupancy import action_value, expected_return, occupancy
from tabular.exact.policy import epsilon_greedy_policy, optimal_policy, uniform_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.grid_world import grid_world
from tabular.types import Floats, Occupancy, Weights
from tabular.weights.estimators.problem import BasisFunctions, EstimationProblem
from tabular.weights.estimators.registry import ESTIMATORS, build_estimator
from tabular.weights.operator import exact_weights

SEED = 0
_SIZES = tuple(round(10.0 ** (half / 2.0)) for half in range(4, 12))  # 10^2, 10^2.5, ..., 10^5.5
_DATASETS = 5
_SETTINGS = ("tabular classes", "linear classes (T, plug-in: tabular)")
_FLOOR = 1e-3  # weights below it count as this in the range of log w
_TAILS = (0.05, 0.95)

Classes = tuple[BasisFunctions | None, BasisFunctions | None]  # of the weights and of the critic


def estimation_error(path: Path) -> None:
    """Runs every estimator on samples of many sizes, in tabular and in linear classes.

    Record: `mdp` [M], `setting` [C], `estimator` [E], `size` [N] transitions; `weights_error` [M, C, E, N, D] (L1(d_b)
    distance to w*) and `return_error` [M, C, E, N, D] (reward units), one a dataset, infinite where an estimator had no
    answer; `log_range` [M, C, E, N, 2], 5 % and 95 % quantiles of log w under d_b, median over datasets (infinite if
    none had an answer), and `true_log_range` [M, 2] of w*.
    """
    mdps = [
        ("random MDP, 20 states", random_mdp(20, 3, np.random.default_rng(SEED), discount=0.9, concentration=0.2)),
        ("grid world, 5 x 5", grid_world((5, 5), slip=0.2, discount=0.9).to_dense()),
    ]
    shape = (len(mdps), len(_SETTINGS), len(ESTIMATORS), len(_SIZES), _DATASETS)
    errors, ranges = np.full((2, *shape), np.inf), np.full((*shape, 2), np.nan)
    true_ranges = []
    with progress("Estimators of the weights", len(mdps) * len(_SIZES) * _DATASETS) as bar:
        for m, (_, mdp) in enumerate(mdps):
            value = action_value(mdp, optimal_policy(mdp))
            behavior, policy = uniform_policy(mdp), epsilon_greedy_policy(value, 0.3)
            exact, mass = exact_weights(mdp, policy, behavior), occupancy(mdp, behavior)
            earned = expected_return(mdp, policy)
            true_ranges.append(log_range(exact, mass))
            settings = [(None, None), _linear_classes(exact, np.random.default_rng([SEED, m]))]
            for n, size in enumerate(_SIZES):
                for d in range(_DATASETS):
                    dataset = sample_dataset(mdp, behavior, size, np.random.default_rng([SEED, m, n, d]))
                    problem = EstimationProblem.from_dataset(dataset, mdp.reward, policy, mdp.discount)
                    for c, classes in enumerate(settings):
                        for e, name in enumerate(ESTIMATORS):
                            found = _estimate(name, classes, problem)
                            if found is not None:
                                weights, estimated = found
                                errors[0, m, c, e, n, d] = np.sum(mass * np.abs(weights - exact))
                                errors[1, m, c, e, n, d] = abs(estimated - earned)
                                ranges[m, c, e, n, d] = log_range(weights, mass)
                    bar.advance()
    check_replaceable(path)
    arrays = {
        "mdp": np.array([name for name, _ in mdps]),
        "setting": np.array(_SETTINGS),
        "estimator": np.array(tuple(ESTIMATORS)),
        "size": np.array(_SIZES, dtype=np.float64),
        "weights_error": errors[0],
        "return_error": errors[1],
        "log_range": _median_of_answers(ranges),
        "true_log_range": np.array(true_ranges),
    }
    write_npz(path, arrays)


def log_range(weights: Weights, mass: Occupancy) -> Floats:
    """5 % and 95 % quantiles of log w under d_b, nats, [2]; weights below 1e-3, negative ones too, count as 1e-3."""
    order = np.argsort(weights, axis=None)
    below = np.cumsum(mass.ravel()[order])
    at = np.minimum(np.searchsorted(below, np.multiply(_TAILS, below[-1])), len(order) - 1)
    return np.log(np.maximum(weights.ravel()[order[at]], _FLOOR))


def _linear_classes(exact: Weights, generator: np.random.Generator) -> Classes:
    """Weights constant on cells of pairs with neighboring w*, 2 in 5 as many as pairs; half as many critic functions.

    The class of the weights nearly contains w*, so what keeps an estimator from it is the Gaussian critic functions.
    """
    n_cells = 2 * exact.size // 5
    rank = exact.argsort(axis=None).argsort().reshape(exact.shape)
    cells = rank * n_cells // exact.size
    critic = generator.normal(size=(n_cells // 2, *exact.shape))
    critic[0] = 1.0
    return (cells == np.arange(n_cells)[:, None, None]).astype(np.float64), critic


def _estimate(name: str, classes: Classes, problem: EstimationProblem) -> tuple[Weights, float] | None:
    """Weights and estimated return, or None where the estimator has no answer."""
    try:
        estimate = build_estimator(name, *classes).estimate(problem)
    except (NotConvergedError, InvalidDistributionError, UncoveredPairsError):
        return None
    return estimate.weights, estimate.expected_return


def _median_of_answers(ranges: Floats) -> Floats:
    """Median over datasets of those with an answer, infinite without any: [..., D, 2] to [..., 2]."""
    unanswered = np.isnan(ranges).all(axis=-2, keepdims=True)  # [..., 1, 2]
    filled = np.where(unanswered, np.inf, ranges)
    return np.asarray(np.nanmedian(filled, axis=-2), dtype=np.float64)
