"""The computations behind the figures of AMPL's theory; each writes one record that `figures/` draws.

proposition2        error of the iterates of T in three norms, near pi_b and far from it
theorem1            the actual return gap and every bound on it, over many MDPs
theorem1-constant   the largest |J - J_hat| / (discount r_max/(1-discount) sqrt(D)) found, against the discount
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ampl.claims.cases import CaseSpec
from ampl.files import check_replaceable, write_npz
from ampl.processes import available_cores, map_in_processes
from ampl.progress import progress
from ampl.return_bounds import SQRT_2, sharp_constant, stopped_path_bound, theorem1_bound
from tabular.bounds.extremal import DISCOUNT_GRID, largest_ratio
from tabular.bounds.theorem1 import coupling_bound, simulation_lemma_bound
from tabular.claims.case import Case
from tabular.claims.families import build_case
from tabular.exact.occupancy import action_value
from tabular.exact.policy import epsilon_greedy_policy, mix_policies, optimal_policy, uniform_policy
from tabular.mdps.environments import environment_mdp
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.contraction import NORMS, contraction_certificates, measured_rate
from tabular.weights.operator import WeightOperator

SEED = 0
_ITERATIONS = 300
_NEAR = 0.005  # share of pi* in the near policy
_NORMS = tuple(NORMS)

_BOUNDS: dict[str, Callable[[Case], float]] = {
    "Theorem 1 if c = 1/√2": lambda case: _theorem1(case, case.divergence, 1.0 / SQRT_2),
    "Theorem 1 if c = √2": lambda case: _theorem1(case, case.divergence, SQRT_2),
    "sharp form, c = √(2(1-γ)), model part only": lambda case: _theorem1(
        case, case.model_part, sharp_constant(case.discount)
    ),
    "sharp form, never vacuous": lambda case: stopped_path_bound(case.model_part, case.discount, case.mdp.reward_bound),
    "coupling bound, max TV": lambda case: coupling_bound(case.mdp, case.model),
    "simulation lemma, max TV": lambda case: simulation_lemma_bound(case.mdp, case.model),
}

_THEOREM1_CASES = (
    ("random", "random", 1500),
    ("chain", "chain", 150),
    ("grid world", "grid", 80),
    ("fork (extremal)", "fork", 100),
    ("FrozenLake 4x4", "frozenlake-4x4", 60),
    ("FrozenLake 8x8", "frozenlake-8x8", 30),
    ("CliffWalking", "cliffwalking", 40),
    ("Taxi", "taxi", 6),
)
"""Label, family and number of cases."""


def proposition2(path: Path) -> None:
    """Iterates T on a random MDP, FrozenLake 8x8 and Taxi, with pi near pi_b and far from it.

    Starts from w* + 1, every weight too large by one: there the first step attains the operator norm in L1(d_b) and in
    the sup norm, so that neither predicted rate could be smaller.

    Record: `mdp` [M], `policy` [2], `norm` [3], `error` [M, 2, 3, K+1], `factor` [M, 2, 3] (operator norm of K in that
    norm), `rate` [M, 2, 3, 3] (factor an iteration that the second half of each curve shows, with its 95 % interval),
    `discount` [M].
    """
    mdps = [
        ("random, starts anywhere", _random_mdp_started_anywhere()),
        ("FrozenLake 8x8", environment_mdp("frozenlake-8x8", 0.95)),
        ("Taxi", environment_mdp("taxi", 0.95)),
    ]
    errors, factors, rates = [], [], []
    with progress("Proposition 2: iterating T", 2 * len(mdps)) as bar:
        for _, mdp in mdps:
            for share in (_NEAR, 1.0):
                error, factor = _iteration_errors(mdp, share)
                errors.append(error)
                factors.append(factor)
                rates.append([_tail_rate(curve) for curve in error])
                bar.advance()
    shape = (len(mdps), 2, len(_NORMS))
    _write(
        path,
        mdp=np.array([name for name, _ in mdps]),
        policy=np.array([f"near: π = {1 - _NEAR:g} π_b + {_NEAR:g} π*", "far: π = π*"]),
        norm=np.array(_NORMS),
        error=np.stack(errors).reshape(*shape, _ITERATIONS + 1),
        factor=np.stack(factors).reshape(shape),
        rate=np.array(rates).reshape(*shape, 3),
        discount=np.array([mdp.discount for _, mdp in mdps]),
    )


def theorem1(path: Path) -> None:
    """The return gap and six bounds on it, over random MDPs, adversarial families and toy-text environments.

    Record: `family` [N], `gap` [N] and `bound` [N, B] in reward units a step, `bound_name` [B], `discount` [N].
    """
    specs = [
        (label, CaseSpec(family=family, index=index, seed=SEED))
        for label, family, count in _THEOREM1_CASES
        for index in range(count)
    ]
    gaps, bounds, discounts = [], [], []
    with progress("Theorem 1: bounds on many MDPs", len(specs)) as bar:
        for _, spec in specs:
            case = build_case(spec)
            scale = max(case.mdp.reward_bound, 1e-300)  # so that environments with large rewards share the axes
            gaps.append(case.return_gap / scale)
            bounds.append([bound(case) / scale for bound in _BOUNDS.values()])
            discounts.append(case.discount)
            bar.advance()
    _write(
        path,
        family=np.array([label for label, _ in specs]),
        gap=np.array(gaps),
        bound_name=np.array(tuple(_BOUNDS)),
        bound=np.array(bounds),
        discount=np.array(discounts),
    )


def theorem1_constant(path: Path) -> None:
    """Maximises Theorem 1's ratio over MDPs of three states at each discount, for signed and for nonnegative rewards.

    Record: `discount` [G], `ratio_signed` [G], `ratio_nonnegative` [G].
    """
    searches = [(nonnegative, number) for nonnegative in (False, True) for number in range(len(DISCOUNT_GRID))]
    found = []
    with progress("Theorem 1: optimizing over MDPs", len(searches)) as bar:
        for ratio in map_in_processes(_search, searches, available_cores()):
            found.append(ratio)
            bar.advance()
    signed, nonnegative = np.split(np.array(found), 2)
    _write(path, discount=np.array(DISCOUNT_GRID), ratio_signed=signed, ratio_nonnegative=nonnegative)


def _search(which: tuple[bool, int]) -> float:
    """The largest ratio for nonnegative or signed rewards, at one discount of the grid."""
    nonnegative, number = which
    return largest_ratio(DISCOUNT_GRID[number], nonnegative, np.random.default_rng([SEED, int(nonnegative), number]))


def _random_mdp_started_anywhere() -> FiniteMDP:
    """Twenty states of which each can be the first: near pi_b the sup norm contracts too."""
    mdp = random_mdp(20, 3, np.random.default_rng(SEED), discount=0.95, concentration=0.1)
    return FiniteMDP(mdp.dynamics, mdp.reward, np.full(20, 1.0 / 20.0), mdp.discount, reward_bound=1.0)


def _iteration_errors(mdp: FiniteMDP, share: float) -> tuple[np.ndarray, np.ndarray]:
    """||w_k - w*|| in each norm, [3, K+1], and the operator norms of K, [3]."""
    value = action_value(mdp, optimal_policy(mdp))
    behavior = mix_policies(epsilon_greedy_policy(value, 0.5), uniform_policy(mdp), 0.5)
    target = epsilon_greedy_policy(value, 0.02)
    operator = WeightOperator(mdp, mix_policies(behavior, target, share), behavior)
    exact = operator.fixed_point()
    start = np.where(operator.support, exact + 1.0, 0.0)
    history = operator.iterate(start, _ITERATIONS) - exact
    certificates = contraction_certificates(operator)
    errors = np.stack([NORMS[norm](history, operator.behavior_occupancy) for norm in _NORMS])
    return errors, np.array([certificates.in_norm(norm) for norm in _NORMS])


def _tail_rate(errors: np.ndarray) -> tuple[float, float, float]:
    """The measured rate after the transient, and the ends of its interval."""
    fit = measured_rate(errors[len(errors) // 2 :])
    return fit.rate, fit.low, fit.high


def _theorem1(case: Case, divergence: float, constant: float) -> float:
    return theorem1_bound(divergence, case.discount, case.mdp.reward_bound, constant)


def _write(path: Path, **arrays: np.ndarray) -> None:
    check_replaceable(path)
    write_npz(path, arrays)
