"""What DAMO sets out to maximize, and the surrogate it replaces it by.  Source: DAMO, section 4; theory.md, section 6.

    J - alpha KL(rho_T || rho_B)                                              the regularized return
    KL(rho_T || rho_B) <= E_{rho_T}[R] + D_f(rho_T || rho_M)                  Theorem A.1, for every D_f >= KL
    S(pi) = E_{rho_T}[r - alpha R] - alpha D_f(rho_T || rho_M)                the surrogate, Eq. 1

with R = log(rho_M / rho_B). So S <= J - alpha KL <= J (Theorem 5.3). All values are per step, in reward units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ampl.errors import InvalidArgumentError
from ampl.real_numbers import real_number
from tabular.alignment.transition_support import TransitionOccupancies
from tabular.bounds.divergences import Divergence, divergence, optimal_discriminator
from tabular.types import Floats


def check_coefficient(alpha: float) -> None:
    """Raises InvalidArgumentError unless alpha, the weight of DAMO's regularizers, is a positive finite number."""
    alpha = real_number("alpha", alpha)
    if not 0.0 < alpha < np.inf:
        raise InvalidArgumentError(f"alpha is {alpha!r}; expected a positive finite number, in reward units per nat.")


def data_divergence(occupancies: TransitionOccupancies) -> float:
    """KL(rho_T || rho_B), nats.  Raises AbsoluteContinuityError where there is no data."""
    return float(occupancies.truth @ occupancies.true_log_ratio())


def model_divergence_of(occupancies: TransitionOccupancies, kind: Divergence) -> float:
    """D_f(rho_T || rho_M), implicit behavior alignment.  Raises AbsoluteContinuityError if it is infinite."""
    occupancies.check_model_covers_truth()
    return float(divergence(kind, occupancies.truth, occupancies.model))


@dataclass(frozen=True, kw_only=True)
class TheoremA1:
    """The two sides of Theorem A.1, nats.

    Attributes:
        left: KL(rho_T || rho_B).
        data_alignment: E_{rho_T}[log(rho_M / rho_B)].
        behavior_alignment: D_f(rho_T || rho_M).
    """

    left: float
    data_alignment: float
    behavior_alignment: float

    @property
    def right(self) -> float:
        """The bound: both alignments together."""
        return self.data_alignment + self.behavior_alignment


def theorem_a1(occupancies: TransitionOccupancies, kind: Divergence) -> TheoremA1:
    """Both sides of Theorem A.1 for any f; the bound holds where D_f >= KL and is met with equality by KL itself.

    Raises:
        AbsoluteContinuityError: rho_M does not cover rho_T, or the data do not cover rho_M.
    """
    return TheoremA1(
        left=data_divergence(occupancies),
        data_alignment=float(occupancies.truth @ occupancies.log_ratio()),
        behavior_alignment=model_divergence_of(occupancies, kind),
    )


def regularized_return(occupancies: TransitionOccupancies, alpha: float) -> float:
    """J(pi, P*) - alpha KL(rho_T || rho_B)."""
    check_coefficient(alpha)
    return float(occupancies.truth @ occupancies.support.reward) - alpha * data_divergence(occupancies)


def surrogate(occupancies: TransitionOccupancies, alpha: float, kind: Divergence) -> float:
    """S(pi), at most J - alpha KL if f dominates KL.  Source: DAMO, Eq. 1.

    Raises:
        InvalidArgumentError: alpha <= 0.
        AbsoluteContinuityError: rho_M does not cover rho_T, or the data do not cover rho_M.
    """
    check_coefficient(alpha)
    aligned = occupancies.support.reward - alpha * occupancies.log_ratio()
    return float(occupancies.truth @ aligned) - alpha * model_divergence_of(occupancies, kind)


def optimal_classifier(occupancies: TransitionOccupancies) -> Floats:
    """h = rho_B / (rho_B + rho_M), [K]: how likely a transition is data; R = log((1 - h) / h).  DAMO, Eqs. 3-4."""
    return optimal_discriminator(occupancies.data, occupancies.model)
