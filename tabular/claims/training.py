"""Claims about what AMPL trains: Eq. 8's relaxed regularizer, Eq. 6's weighted fit.  Source: theory.md, section 4."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.bounds.divergences import LOG_2, gan_value, jensen_shannon, kl, optimal_logit
from tabular.bounds.theorem1 import eq8_joints, model_divergence
from tabular.claims.case import Case
from tabular.exact.dynamics import maximum_likelihood, random_cells
from tabular.types import DenseDynamics, Integers


@lru_cache(maxsize=1)
def _joints(case: Case) -> tuple[np.ndarray, np.ndarray]:
    return eq8_joints(case.mdp, case.model, case.policy, case.behavior, case.behavior_occupancy)


def _relaxation(case: Case) -> Measurement | None:
    if not case.is_small:
        return None
    relaxed = float(case.weights.max()) * float(kl(*_joints(case)))
    if not np.isfinite(relaxed):
        return None
    return Measurement(left=case.joint_divergence, right=relaxed + 1e-14)


def _jsd_range(case: Case) -> Measurement | None:
    """The distance from the middle of the range against half its width, so that both ends count."""
    if not case.is_small:
        return None
    half = LOG_2 / 2.0
    return Measurement(left=abs(float(jensen_shannon(*_joints(case))) - half), right=half)


def _gan_value(case: Case) -> Measurement | None:
    if not case.is_small:
        return None
    real, imagined = _joints(case)
    best = gan_value(real, imagined, optimal_logit(real, imagined))
    return Measurement(left=float(best), right=2.0 * float(jensen_shannon(real, imagined)) - 2.0 * LOG_2)


def _discriminator_is_optimal(case: Case) -> Measurement | None:
    """Losses -E[log D] - E[log(1 - D)]: the closed form's against a perturbed discriminator's."""
    if not case.is_small:
        return None
    real, imagined = _joints(case)
    best = optimal_logit(real, imagined)
    other = best + case.generator("discriminator").normal(0.0, 0.5, best.shape)
    return Measurement(left=-float(gan_value(real, imagined, best)), right=-float(gan_value(real, imagined, other)))


@lru_cache(maxsize=2)
def _fits(case: Case, tied: bool) -> tuple[DenseDynamics, DenseDynamics]:
    """The plain (Eq. 4) and the weighted (Eq. 6) maximum-likelihood model in the free class or in a tied one."""
    cells = _cells(case) if tied else None
    mass = case.behavior_occupancy[:, :, None] * case.mdp.to_dense().dynamics
    return maximum_likelihood(mass, None, cells), maximum_likelihood(mass, case.weights, cells)


def _model_part(case: Case, fitted: DenseDynamics) -> float:
    return model_divergence(case.mdp.to_dense(), case.mdp.with_dynamics(fitted), case.policy_occupancy)


def _cells(case: Case) -> Integers:
    return random_cells(case.mdp.n_states, case.mdp.n_actions, max(1, case.n_pairs // 3), case.generator("cells"))


def _weighted_fit_minimizes(case: Case) -> Measurement | None:
    if not case.is_small:
        return None
    plain, weighted = _fits(case, tied=True)
    rounding = 1e-13
    return Measurement(left=_model_part(case, weighted), right=_model_part(case, plain) + rounding)


def _free_fit_ignores_weights(case: Case) -> Measurement | None:
    if not case.is_small:
        return None
    plain, weighted = _fits(case, tied=False)
    visited = case.policy_occupancy > 0.0
    return Measurement(left=float(np.abs(plain - weighted)[visited].max()), right=0.0)


def _weighting_helps(case: Case) -> Measurement | None:
    """D_pi of the weighted against the plain fit, in the free class on even seeds and in a tied class on odd ones."""
    if not case.is_small:
        return None
    tied = case.seed % 2 == 1
    plain, weighted = _fits(case, tied)
    visited = case.policy_occupancy > 1e-9
    fits_differ = bool(np.abs(plain - weighted)[visited].max() > 1e-4)
    before = _model_part(case, plain)
    if not before > 1e-12:  # nothing to gain: the plain fit is exact where the policy goes
        return Measurement(left=1.0, right=1.0, condition_met=False)
    return Measurement(left=_model_part(case, weighted), right=before, condition_met=tied and fits_differ)


CLAIMS = (
    Claim(
        name="eq8-relaxation",
        source="AMPL, Eq. 8",
        statement="D_π <= max w · KL(P* π_b d_b ‖ P̂ π d_b(s) π(a|s))",
        relation=Relation.AT_MOST,
        measure=_relaxation,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="eq8-jsd-range",
        source="AMPL, Eq. 8",
        statement="the JSD of Eq. 8's two joints lies in [0, log 2] (left: its distance from log 2 / 2)",
        relation=Relation.AT_MOST,
        measure=_jsd_range,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="gan-value",
        source="AMPL, Eqs. 14-16",
        statement="at D = p/(p+q) the discriminator's value is 2 JSD - 2 log 2",
        relation=Relation.EQUAL,
        measure=_gan_value,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="discriminator-optimum",
        source="AMPL, Eq. 16",
        statement="no discriminator has a smaller loss than p/(p+q)",
        relation=Relation.AT_MOST,
        measure=_discriminator_is_optimal,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="weighted-fit-minimizes",
        source="AMPL, Eq. 6",
        statement="in a tied class the weighted fit's D is at most the plain fit's (left: weighted, right: plain)",
        relation=Relation.AT_MOST,
        measure=_weighted_fit_minimizes,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="free-fit-ignores-weights",
        source="finding on AMPL, Eq. 6",
        statement="in the unrestricted tabular class the weighted and the plain fit agree wherever π goes",
        relation=Relation.EQUAL,
        measure=_free_fit_ignores_weights,
        expected=Verdict.HOLDS,
    ),
    Claim(
        name="weighting-helps",
        source="AMPL, Eq. 6 (implied)",
        statement="weighting the fit by w makes D strictly smaller",
        relation=Relation.BELOW,
        measure=_weighting_helps,
        expected=Verdict.HOLDS_WITH_CONDITION,
        condition="a tied class in which the weighted and the plain fit differ where π goes",
        tolerance=1e-12,
    ),
)
