"""Small records that look like real ones, made without the tabular wing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ampl.files import write_npz

FAMILIES = ("random", "near-deterministic", "FrozenLake", "CliffWalking", "Taxi", "fork")
BOUNDS = (
    "Theorem 1 if c = 1/√2",
    "Theorem 1, c = √2",
    "sharp: c = √(2(1−γ))",
    "Bretagnolle–Huber",
    "coupling (tight simulation lemma)",
    "classical simulation lemma",
)

ESTIMATORS = ("Q-moment (AMPL)", "VPM", "GenDICE", "DualDICE", "multi-moment")


def proposition2(n_iterations: int = 200) -> dict[str, Any]:
    """Curves with a transient that is longer for the far policy; norms as in the real record."""
    mdp = ["random, 8 states", "FrozenLake 4×4", "CliffWalking"]
    discount = np.array([0.9, 0.95, 0.99])
    iteration = np.arange(n_iterations + 1)
    transient = np.array([[[0.0, 0.2, 0.5], [0.0, 2.0, 4.0]]])  # [1, 2, 3]
    growth = 1.0 + transient[..., None] * iteration * np.exp(-iteration / 8.0)
    rate = (discount * np.array([0.97, 0.9, 0.985]))[:, None, None, None]
    error = 3.0 * rate**iteration * growth
    factor = np.stack([np.array([[g, 1.0 - (1.0 - g) / 3.0, 0.98], [g, 1.9, 2.314 + g]]) for g in discount])
    return {
        "mdp": mdp, "policy": ["π near π_b", "π far from π_b"], "norm": ["L1(d_b)", "L2(d_b)", "sup"],
        "error": error, "factor": factor, "discount": discount,
        "rate": np.broadcast_to(rate, (3, 2, 3, 1)) * np.array([1.0, 0.999, 1.001]),
    }  # fmt: skip


def theorem1(n_mdps: int = 2000) -> dict[str, Any]:
    """Gaps, and bounds that hold, except the first at low discounts; 5 gaps are zero, 7 bounds infinite."""
    generator = np.random.default_rng(0)
    family = generator.choice(FAMILIES, size=n_mdps, p=[0.5, 0.2, 0.08, 0.08, 0.06, 0.08])
    discount = generator.uniform(0.3, 0.97, n_mdps)
    gap = 10.0 ** generator.uniform(-6, -0.3, n_mdps)
    slack = np.where(family == "fork", 1.001, 1.0 + 10.0 ** generator.normal(1.0, 0.7, n_mdps))
    sharp = gap * slack
    printed = sharp / np.sqrt(2 * (1 - discount)) * np.sqrt(0.5)
    bound = np.stack([printed, 2 * printed, sharp, 1.02 * sharp, 2 * sharp, 8 * sharp / (1 - discount)], axis=1)
    bound[:7, 1] = np.inf
    gap[-5:] = 0.0
    return {"family": family, "gap": gap, "bound_name": list(BOUNDS), "bound": bound, "discount": discount}


def theorem1_constant() -> dict[str, Any]:
    """Ratios just below the sharp constant."""
    discount = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99])
    sharp = np.sqrt(2 * (1 - discount))
    return {"discount": discount, "ratio_signed": 0.9999 * sharp, "ratio_nonnegative": 0.4999 * sharp}


def figure2_truth(n_rows: int = 600, n_retrainings: int = 5) -> dict[str, Any]:
    """Exact weights with rows that the policy never reaches; VPM close to them, AMPL's estimate almost flat."""
    generator = np.random.default_rng(3)
    exact = generator.normal(scale=1.5, size=(n_retrainings, n_rows))
    exact[:, : n_rows // 10] = -np.inf
    weights = np.exp(exact)
    weights /= weights.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        exact = np.log(weights)
        noise = generator.normal(size=(n_retrainings, n_rows))
        estimates = np.stack([
            0.02 * noise,
            np.log(weights + 0.02) + 0.2 * noise,
            np.where(noise < -2.0, -24.0, 0.0),
            np.where(noise < -1.0, -np.inf, 1.5 * noise),
            np.log(weights + 0.1) + 0.4 * noise,
        ])  # fmt: skip
    return {
        "estimator": list(ESTIMATORS),
        "retraining": np.arange(1, n_retrainings + 1),
        "log_weights": estimates,
        "true_log_weights": exact,
        "error_l1": np.abs(np.exp(estimates) - weights).mean(axis=-1),
        "flat_error": np.abs(1.0 - weights).mean(axis=-1),
        "return_error": np.abs(generator.normal(size=(5, n_retrainings))) * np.array([[0.01, 0.1, 0.3, 0.6, 0.02]]).T,
    }


def figure2_continuous() -> dict[str, Any]:
    """The same with three estimators' order and shares."""
    generator = np.random.default_rng(5)
    return figure2_truth() | {
        "rank_correlation": generator.uniform(-1.0, 1.0, (5, 5)),
        "effective_share": generator.uniform(0.2, 1.0, (5, 5)),
        "exact_effective_share": np.linspace(0.9, 0.3, 5),
    }


def weights_published() -> dict[str, Any]:
    """AMPL's estimate leaves one and w* behind, a second one comes near."""
    exact = np.exp(np.random.default_rng(4).normal(scale=1.5, size=500))
    exact /= exact.mean()
    share = np.linspace(0.0, 1.0, 11)
    curves = np.stack([0.001 * share, share])
    return {
        "estimator": ["as published", "another"], "step": np.outer([100_000.0, 10_000.0], share),
        "error": np.stack([1.2 + 0.002 * share, 1.2 - share]),
        "rank_correlation": np.stack([-0.5 * share, 0.9 * share]),
        "effective_share": 1.0 - 0.7 * curves, "distance_from_one": curves, "residual": -0.2 * (1.0 - 0.99 * curves),
        "weights": np.stack([exact**-0.001, exact**0.8]), "exact_weights": exact,
        "exact_distance_from_one": 1.2, "exact_effective_share": 0.2,
    }  # fmt: skip


def estimation_error() -> dict[str, Any]:
    """Three estimators: one consistent, one that stays, one without an answer on small samples."""
    size = 10.0 ** np.arange(2, 6)
    falling = np.broadcast_to(1.0 / np.sqrt(size)[:, None], (2, 2, 4, 5))
    staying = np.full((2, 2, 4, 5), 0.5)
    failing = np.array(falling)
    failing[..., 0, :] = np.inf
    errors = np.stack([falling, staying, failing], axis=2)
    ranges = np.zeros((2, 2, 3, 4, 2)) + np.array([-1.0, 1.0])
    return {
        "mdp": ["random", "grid"], "setting": ["tabular", "linear"], "estimator": ["plug-in", "stays", "fails"],
        "size": size, "weights_error": errors, "return_error": 0.1 * errors, "log_range": ranges,
        "true_log_range": np.array([[-2.0, 1.5], [-1.0, 1.0]]),
    }  # fmt: skip


def mopo_tradeoff(n_rows: int = 2) -> dict[str, Any]:
    """Two settings whose guarantee holds: returns rise with delta, claims fall with the coefficient."""
    delta = np.linspace(0.1, 0.9, 30)
    best = 0.3 + 0.4 * np.floor(5.0 * delta) / 5.0
    return {
        "mdp": np.array(["random MDP", "grid world"][:n_rows]),
        "metric": np.array(["total variation (L1)", "Wasserstein-1"][:n_rows]),
        "delta": np.tile(delta, (n_rows, 1)),
        "best_return": np.tile(best, (n_rows, 1)),
        "bound": np.tile(best - 0.8 * delta, (n_rows, 1)),
        "guarantee": np.full(n_rows, 0.45),
        "supremum": np.full(n_rows, 0.25),
        "penalty_weight": np.full(n_rows, 0.4),
        "behavior_point": np.tile([0.2, 0.3], (n_rows, 1)),
        "optimum_point": np.tile([0.85, 0.62], (n_rows, 1)),
        "chosen_point": np.tile([0.3, 0.45], (n_rows, 1)),
        "fraction": np.array([0.0, 0.1, 0.5, 1.0, 2.0]),
        "true_return": np.tile([0.2, 0.3, 0.5, 0.45, 0.3], (n_rows, 1)),
        "claimed_return": np.tile([0.7, 0.6, 0.45, 0.3, 0.1], (n_rows, 1)),
        "enumerated": np.array([1.0, 0.0][:n_rows]),
    }


def damo_gap() -> dict[str, Any]:
    alpha, error = np.geomspace(0.01, 10.0, 5), np.linspace(0.0, 0.9, 4)
    values = np.stack([np.full(5, 0.5), 0.5 - alpha, 0.4 - alpha, 0.7 - alpha, np.full(5, 0.6)])
    by_error = np.stack([np.full(4, 0.5), np.full(4, 0.4), 0.4 - error, 0.45 - error / 2, 0.5 - error])
    return {
        "divergence": np.array(["f", "g"]), "value_name": np.array(["J", "J - KL", "S", "D", "model"]),
        "alpha": alpha, "model_error": error,
        "by_alpha": np.stack([values, values]), "by_error": np.stack([by_error, by_error]),
        "share_by_alpha": np.tile([1.0, 0.5, 0.1, 0.0, 0.0], (2, 1)), "share_by_error": np.full((2, 4), 0.25),
        "fixed_alpha": np.float64(0.1), "fixed_error": np.float64(0.3), "mdps": np.float64(7),
    }  # fmt: skip


def damo_maximin() -> dict[str, Any]:
    earned = np.tile(np.array([[0.2, 0.3], [0.6, 0.4], [1.0, 0.9]]), (5, 1, 1))
    return {
        "method": np.array(["model", "DAMO", "best (needs the truth)"]), "alpha": np.array([0.1, 1.0]),
        "earned": earned, "claimed": np.tile(np.array([[0.5, 0.1], [-0.1, -2.0], [0.0, 0.0]]), (5, 1, 1)),
    }  # fmt: skip


def alternation() -> dict[str, Any]:
    curve = np.tile(np.linspace(0.0, 1.0, 6), (2, 2, 3, 1))
    better = curve + np.array([0.1, 0.0])[None, :, None, None]
    return {
        "task": np.array(["one", "two"]), "variant": np.array(["weighted", "unweighted"]),
        "epoch": np.arange(1.0, 7.0), "retraining": np.array([2.0, 4.0]),
        "true_return": better, "lower_bound": better - 3.0, "model_divergence": 2.0 - better,
        "weights_error": curve, "behavior_return": np.zeros(2), "optimal_return": np.full(2, 2.0),
    }  # fmt: skip


def return_gap_finite() -> dict[str, Any]:
    falling = np.tile([[1.0, 1.2], [0.1, 0.2]], (2, 1, 1))
    return {
        "task": np.array(["one", "two"]), "size": np.array([100.0, 1000.0]), "optimization": -falling,
        "dense": 2.0 * falling, "sparse": falling, "behavior_gap": np.full(2, 0.5),
    }  # fmt: skip


def weights_help() -> dict[str, Any]:
    """Two tasks, three datasets; without weights the error is 1 and the model's 2, exact ones halve the latter."""
    shape = (2, 2, 3)
    return {
        "task": np.array(["grid", "chain"]), "variant": np.array(["nw", "exact-weights"]),
        "weights_error": np.broadcast_to([[1.0], [0.0]], shape),
        "model_divergence": np.broadcast_to([[2.0], [1.0]], shape),
        "true_return": np.broadcast_to([[3.0], [4.0]], shape),
        "behavior_return": np.array([1.0, 1.0]), "optimal_return": np.array([11.0, 5.0]),
    }  # fmt: skip


def conservatism() -> dict[str, Any]:
    """Three algorithms: one always above the truth, one below it with much data, one always below it."""
    truth = np.full((3, 2, 3, 4), 0.8)
    gap = np.array([[0.5, 0.2, 0.1], [0.3, -0.1, -0.05], [-20.0, -1.0, -0.2]])[:, None, :, None]
    return {
        "algorithm": np.array(["plain", "mixed", "careful"]), "task": np.array(["one", "two"]),
        "size": np.array([100.0, 1000.0, 10_000.0]), "estimate": truth + gap, "truth": truth,
    }  # fmt: skip


RECORDS = {
    "proposition2": proposition2,
    "theorem1": theorem1,
    "theorem1-constant": theorem1_constant,
    "figure2-truth": figure2_truth,
    "figure2-continuous": figure2_continuous,
    "weights-published": weights_published,
    "estimation-error": estimation_error,
    "mopo-tradeoff": mopo_tradeoff,
    "damo-gap": damo_gap,
    "damo-maximin": damo_maximin,
    "alternation": alternation,
    "return-gap-finite": return_gap_finite,
    "weights-help-finite": weights_help,
    "conservatism": conservatism,
}


def write_record(path: Path, name: str, **changed: Any) -> Path:
    """Writes the record of figure `name` to `path`, with arrays replaced, or left out if given as None."""
    arrays = {key: value for key, value in (RECORDS[name]() | changed).items() if value is not None}
    write_npz(path, arrays)
    return path
