"""How large Theorem 1's ratio can get: gradient ascent over MDPs.  Source: theory.md, section 4.

The ratio |J - J_hat| / (discount r_max / (1-discount) sqrt(D)) with D = E_{d_pi}[KL(P* || P_hat)] is maximized over the
true dynamics, the model, the reward and the start of MDPs with one action, by L-BFGS from random starts. Its gradient
is exact: both returns are differentiated through their linear solves. Nothing of the known extremal family is put in.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from ampl.errors import InvalidDiscountError
from tabular.types import Floats

DISCOUNT_GRID = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99)
_RESTARTS = 12
_N_STATES = 3
_LARGEST_LOGIT = 12.0
_FLOOR = 1e-10  # nats added to D, so that P_hat never comes so near to P* that rounding decides the ratio


def largest_ratio(discount: float, nonnegative: bool, generator: np.random.Generator) -> float:
    """The largest ratio found from random starts.

    Args:
        discount: in (0, 1).
        nonnegative: rewards in [0, 1] instead of [-1, 1].
        generator: for the starts.
    """
    if not 0.0 < discount < 1.0:
        raise InvalidDiscountError(f"discount is {discount!r}; the ratio is defined for discounts in (0, 1).")
    starts = generator.normal(0.0, 1.0, (_RESTARTS, 2 * _N_STATES**2 + 2 * _N_STATES))
    setting = (discount, nonnegative)
    box = [(-_LARGEST_LOGIT, _LARGEST_LOGIT)] * starts.shape[1]
    options = {"maxiter": 1000, "maxfun": 5000, "ftol": 1e-15, "gtol": 1e-10}
    found = [
        minimize(_negative_log_ratio, start, setting, jac=True, method="L-BFGS-B", bounds=box, options=options)
        for start in starts
    ]
    return float(np.exp(-min(result.fun for result in found)))


def _negative_log_ratio(parameters: Floats, discount: float, nonnegative: bool) -> tuple[float, Floats]:
    """-log of the ratio and its gradient in the logits of P*, of P_hat relative to P*, of mu0, and in reward angles."""
    n = _N_STATES
    true_logits, shift = parameters[: 2 * n * n].reshape(2, n, n)
    start_logits, angle = parameters[2 * n * n :].reshape(2, n)
    log_true, log_model = log_softmax(true_logits, axis=1), log_softmax(true_logits + shift, axis=1)
    true, model, initial = np.exp(log_true), np.exp(log_model), np.exp(log_softmax(start_logits))
    half_range = 0.5 if nonnegative else 1.0
    reward = half_range * np.sin(angle) + (1.0 - half_range)  # reaches its bounds at finite angles
    row_kl = np.sum(true * (log_true - log_model), axis=1)

    values = np.linalg.solve(np.eye(n) - discount * true, np.stack([reward, row_kl], axis=1))  # V and D-to-go, [S, 2]
    model_value = np.linalg.solve(np.eye(n) - discount * model, reward)
    start = (1.0 - discount) * initial
    visits = np.linalg.solve(np.eye(n) - discount * true.T, start)
    model_visits = np.linalg.solve(np.eye(n) - discount * model.T, start)
    gap = start @ (values[:, 0] - model_value)
    divergence = start @ values[:, 1] + _FLOOR

    # d log|gap| and d log D, each through its linear solve: d(start.V) = discount visits V^T dP + visits dr
    of_gap, of_divergence = 1.0 / gap, 0.5 / divergence
    to_go = of_gap * values[:, 0] - of_divergence * values[:, 1]
    d_true = discount * np.outer(visits, to_go) - of_divergence * visits[:, None] * (log_true - log_model + 1.0)
    d_model = -of_gap * discount * np.outer(model_visits, model_value) + of_divergence * visits[:, None] * true / model
    d_initial = (1.0 - discount) * (to_go - of_gap * model_value)
    d_angle = of_gap * (visits - model_visits) * half_range * np.cos(angle)

    through_model = _softmax_gradient(model, d_model)
    gradient = np.concatenate(
        [
            (_softmax_gradient(true, d_true) + through_model).ravel(),
            through_model.ravel(),
            _softmax_gradient(initial, d_initial),
            d_angle,
        ]
    )
    log_ratio = np.log(abs(gap)) - 0.5 * np.log(divergence) + np.log((1.0 - discount) / discount)
    return -float(log_ratio), -gradient


def _softmax_gradient(probability: Floats, gradient: Floats) -> Floats:
    """Gradient with respect to logits from the one with respect to probabilities, along the last axis."""
    return probability * (gradient - np.sum(probability * gradient, axis=-1, keepdims=True))
