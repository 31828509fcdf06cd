"""How fast T contracts: four certificates, the measured rate, how near pi must be to pi_b.  Source: theory.md 2.

K, the linear part of T, is similar to discount * P_pi^T, so its spectral radius is the discount for every policy that
d_b covers. In the d_b-weighted L1 norm its operator norm is the discount as well: the iteration converges at that rate
near pi_b or far from it. In the sup norm the factor has a closed form that depends on how far pi is from pi_b, and in
the d_b-weighted L2 norm it can exceed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import ArpackError, eigs, svds

from ampl.errors import InvalidArgumentError, NotConvergedError
from tabular.exact.occupancy import state_occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Occupancy, Policy, StateMatrix
from tabular.weights.operator import WeightOperator

_ARRAY_STATES = 64  # up to it products of arrays take less time than those of sparse matrices, whatever their zeros
_DENSE_STATES = 2000  # above it eigenvalues come from Krylov iterations, which may not converge

Norm = Callable[[Floats, Occupancy], Floats]
NORMS: Mapping[str, Norm] = {
    "L1(d_b)": lambda x, d_b: (np.abs(x) * d_b).sum(axis=(-2, -1)),
    "L2(d_b)": lambda x, d_b: np.sqrt((x**2 * d_b).sum(axis=(-2, -1))),
    "sup": lambda x, d_b: (np.abs(x) * (d_b > 0.0)).max(axis=(-2, -1)),
}
"""Norms of functions of (s, a), [..., S, A] to [...]; the sup is over the support of d_b."""


@dataclass(frozen=True, kw_only=True)
class ContractionCertificates:
    """The four numbers that say whether and where T contracts.

    Attributes:
        spectral_radius: of K; equals the discount.
        l1_norm: operator norm of K in L1(d_b); equals the discount if pi is covered by pi_b.
        l2_norm: operator norm of K in L2(d_b); can exceed one.
        sup_norm: operator norm of K in the sup norm over the support; has the closed form `sup_norm_factor`.
    """

    spectral_radius: float
    l1_norm: float
    l2_norm: float
    sup_norm: float

    def in_norm(self, norm: str) -> float:
        """The operator norm that belongs to a name of `NORMS`."""
        return {"L1(d_b)": self.l1_norm, "L2(d_b)": self.l2_norm, "sup": self.sup_norm}[norm]


def contraction_certificates(operator: WeightOperator) -> ContractionCertificates:
    """All four certificates, measured on K itself (none is copied from its closed form)."""
    ones = np.where(operator.support, 1.0, 0.0)
    mass = np.where(operator.support, operator.behavior_occupancy, 1.0)
    return ContractionCertificates(
        spectral_radius=_spectral_radius(operator),
        l1_norm=float((operator.apply_adjoint(operator.behavior_occupancy * ones) / mass).max()),
        l2_norm=_l2_norm(operator),
        sup_norm=float(operator.apply_linear(ones).max()),  # K >= 0: its largest row sum
    )


def sup_norm_factor(mdp: FiniteMDP, policy: Policy, behavior: Policy) -> float:
    """max pi(a|s)/pi_b(a|s) * (1 - (1-discount) mu0(s)/d_b(s)) over the support: the sup norm of K in closed form."""
    ratio, slack = _policy_ratio_and_slack(mdp, policy, behavior)
    return float(np.max(ratio * (1.0 - slack)[:, None]))


def sup_norm_radius(mdp: FiniteMDP, behavior: Policy) -> Floats:
    """How large pi(a|s)/pi_b(a|s) may be before T stops being a sup-norm contraction, [S]; infinite where always fine.

    Equals d_b(s) / (d_b(s) - (1-discount) mu0(s)). States that the behavior policy never visits give infinity.
    """
    _, slack = _policy_ratio_and_slack(mdp, behavior, behavior)
    with np.errstate(divide="ignore"):
        return np.where(slack < 1.0, 1.0 / (1.0 - slack), np.inf)


def largest_contracting_share(mdp: FiniteMDP, policy: Policy, behavior: Policy) -> float:
    """The closeness radius along the segment from pi_b to pi: T is a sup-norm contraction for every smaller share.

    For pi_share = (1 - share) pi_b + share pi the factor stays below one while share < the returned number, >= 0.
    Zero means that not even pi = pi_b contracts in the sup norm.
    """
    radius = sup_norm_radius(mdp, behavior)[:, None]
    ratio, _ = _policy_ratio_and_slack(mdp, policy, behavior)
    excess = ratio - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(excess > 0.0, (radius - 1.0) / excess, np.inf)
    visited = state_occupancy(mdp, behavior) > 0.0
    if (radius[visited] <= 1.0).any():
        return 0.0
    return float(limit[visited].min())


@dataclass(frozen=True, kw_only=True)
class MeasuredRate:
    """Slope of log error against iteration, as a factor per iteration, with a 95 % interval of the fit."""

    rate: float
    low: float
    high: float


def measured_rate(errors: Floats, floor: float = 1e-12) -> MeasuredRate:
    """Fits error_k = c * rate^k to the part of the history that is above `floor` times its first entry.

    Args:
        errors: error after each iteration, [K+1], in any norm.
        floor: relative size below which rounding dominates.

    Raises:
        InvalidArgumentError: fewer than three usable iterations.
    """
    usable = errors > floor * max(float(errors[0]), np.finfo(float).tiny)
    count = len(errors) if usable.all() else int(usable.argmin())
    if count < 3:
        raise InvalidArgumentError(
            f"only {count} errors lie above the floor {floor:g}; expected at least 3 to fit a rate."
        )
    from scipy import stats  # takes longer to load than everything else here

    fit = stats.linregress(np.arange(count), np.log(errors[:count]))
    half_width = stats.t.ppf(0.975, count - 2) * fit.stderr
    rate, low, high = (float(np.exp(slope)) for slope in (fit.slope, fit.slope - half_width, fit.slope + half_width))
    return MeasuredRate(rate=rate, low=low, high=high)


def _policy_ratio_and_slack(mdp: FiniteMDP, policy: Policy, behavior: Policy) -> tuple[Floats, Floats]:
    """pi/pi_b on the support, [S, A], and (1-discount) mu0 / d_b, [S]; a state never visited gives 0 and 1."""
    policy, behavior = mdp.check_policy(policy), mdp.check_policy(behavior)
    visits = state_occupancy(mdp, behavior)
    visited = visits > 0.0
    slack = np.where(visited, (1.0 - mdp.discount) * mdp.initial / np.where(visited, visits, 1.0), 1.0)
    taken = (behavior > 0.0) & visited[:, None]
    ratio = np.divide(policy, behavior, out=np.zeros_like(policy), where=taken)
    return ratio, np.minimum(slack, 1.0)


def _spectral_radius(operator: WeightOperator) -> float:
    """Of K = B C, with C from pairs to arrival states and B back: its nonzero eigenvalues are those of C B, [S, S].

    C B acts on mass, where no entry is large; in the coordinates of w rare pairs would cost all accuracy.
    """
    per_mass, mass = operator.per_mass, operator.discounted_mass
    n_states, n_actions = operator.shape
    if n_states <= _ARRAY_STATES and not operator.mdp.is_sparse:
        back_and_forth = np.einsum("sa,sat->ts", per_mass * mass, operator.mdp.dynamics)
        return float(np.abs(np.linalg.eigvals(back_and_forth)).max())
    collapse = sparse.csr_array(
        ((per_mass * mass).ravel(), np.arange(per_mass.size), np.arange(0, per_mass.size + 1, n_actions)),
        shape=(n_states, per_mass.size),
    )
    back_and_forth = (collapse @ operator.mdp.pair_dynamics).T  # C B, [S', S]
    if n_states <= _DENSE_STATES:
        return float(np.abs(np.linalg.eigvals(_dense(back_and_forth))).max())
    return _largest(  # C B >= 0, so its spectral radius is an eigenvalue: the one with the largest real part
        operator, lambda: eigs(back_and_forth, k=1, which="LR", v0=operator.mdp.initial, return_eigenvectors=False)
    )


def _l2_norm(operator: WeightOperator) -> float:
    """||K w|| = ||sqrt(c) C w|| with c(s') = sum_a' d_b per_mass^2: the largest singular value of [S', S*A]."""
    share = np.sqrt((operator.behavior_occupancy * operator.per_mass**2).sum(axis=1))  # sqrt(c), [S']
    root = np.sqrt(operator.behavior_occupancy).ravel()
    if operator.shape[0] <= _ARRAY_STATES and not operator.mdp.is_sparse:
        spread = root[:, None] * operator.mdp.pair_dynamics * (operator.mdp.discount * share)
        return float(np.sqrt(max(np.linalg.eigvalsh(spread.T @ spread).max(), 0.0)))
    arrivals = sparse.csr_array(operator.mdp.pair_dynamics)
    weighted = (sparse.diags_array(root) @ arrivals @ sparse.diags_array(operator.mdp.discount * share)).T
    if operator.shape[0] <= _DENSE_STATES:
        return float(np.sqrt(max(np.linalg.eigvalsh(_dense(weighted @ weighted.T)).max(), 0.0)))
    return _largest(operator, lambda: svds(weighted, k=1, return_singular_vectors=False, v0=share))


def _dense(matrix: StateMatrix) -> Floats:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def _largest(operator: WeightOperator, find: Callable[[], Floats]) -> float:
    """The result of a Krylov eigenvalue search, or the error for one that did not converge."""
    if operator.mdp.discount == 0.0:
        return 0.0
    try:
        return float(np.abs(find()).max())
    except ArpackError as error:
        raise NotConvergedError(
            f"an operator norm on {operator.mdp.name} did not converge ({error}). Use at most {_DENSE_STATES} states."
        ) from error
