"""AMPL, Theorem 1, given the divergence: |J(pi, P*) - J(pi, P_hat)| <= c gamma r_max / (1 - gamma) sqrt(D_pi).

The constant c is a parameter here, because the paper's copy at hand does not show it: c = sqrt(2) always holds,
c = 1/sqrt(2) needs discount >= 3/4 or rewards in [0, r_max], and the smallest that holds is sqrt(2 (1 - discount)),
already with the model part of D_pi alone.  Source: docs/theory.md, section 4, which has the proofs.
"""

from __future__ import annotations

import math

import numpy as np

SQRT_2 = math.sqrt(2.0)


def theorem1_bound(divergence: float, discount: float, reward_bound: float, constant: float = SQRT_2) -> float:
    """c discount r_max / (1 - discount) sqrt(D), in units of one step's reward.  Source: AMPL, Theorem 1.

    At discount 0 no dynamics matter and the bound is zero, even where D is infinite.
    """
    if discount == 0.0:
        return 0.0
    return constant * discount * reward_bound / (1.0 - discount) * float(np.sqrt(max(divergence, 0.0)))


def sharp_constant(discount: float) -> float:
    """sqrt(2 (1 - discount)): the smallest c for which Theorem 1 holds for every MDP with that discount."""
    return float(np.sqrt(2.0 * (1.0 - discount)))


def stopped_path_bound(divergence: float, discount: float, reward_bound: float) -> float:
    """The sharp form of Theorem 1, never vacuous: the smaller of the Pinsker and the Bretagnolle-Huber bound.

    2 discount r_max min(sqrt(D / (2 (1 - discount))), sqrt(1 - exp(-D / (1 - discount)))), because D / (1 - discount)
    is the KL divergence of the paths up to a geometric stopping time. For rewards in [0, r_max] halve it.
    """
    path_kl = max(divergence, 0.0) / (1.0 - discount)
    return 2.0 * discount * reward_bound * float(min(np.sqrt(path_kl / 2.0), np.sqrt(-np.expm1(-path_kl))))
