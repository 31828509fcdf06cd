"""Divergences between distributions on finite sets, with their generators and convex conjugates, in nats.

Zeros are taken at their limits: 0 log 0 = 0, and mass of p where q has none makes KL and chi-square infinite.
Distributions run along the last axis; earlier axes broadcast.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.special import rel_entr

from ampl.errors import InvalidArgumentError
from tabular.types import Floats

LOG_2 = float(np.log(2.0))
_NEAR = 0.5  # relative change up to which two masses are close: their difference is exact, or nearly
_SMALLEST = float(np.finfo(np.float64).tiny)  # less mass than this in q counts as none: p/q would overflow


class Divergence(Protocol):
    """An f-divergence D_f(p || q) = sum q f(p/q), f convex, with f(1) = 0 unless said otherwise."""

    name: str

    def generator(self, ratio: Floats) -> Floats:
        """f(x) for x >= 0, elementwise."""
        ...

    def conjugate(self, slope: Floats) -> Floats:
        """f*(y) = sup_{x >= 0} (x y - f(x)), elementwise."""
        ...

    def conjugate_slope(self, slope: Floats) -> Floats:
        """f*'(y), the maximizing x, elementwise."""
        ...

    def slope_at_infinity(self) -> float:
        """lim f(x)/x: what a unit of mass of p costs where q has none."""
        ...


class KullbackLeibler:
    """f(x) = x log x - x + 1, f*(y) = exp(y) - 1."""

    name = "KL"

    def generator(self, ratio: Floats) -> Floats:
        """x log x - x + 1, with f(0) = 1."""
        return kl_terms(ratio, np.ones(()))

    def conjugate(self, slope: Floats) -> Floats:
        """exp(y) - 1."""
        return np.expm1(slope)

    def conjugate_slope(self, slope: Floats) -> Floats:
        """exp(y)."""
        return np.exp(slope)

    def slope_at_infinity(self) -> float:
        """Infinite."""
        return float("inf")


class ChiSquared:
    """f(x) = (x - 1)^2, f*(y) = y + y^2/4 for y >= -2 and -1 below."""

    name = "chi-squared"

    def generator(self, ratio: Floats) -> Floats:
        """(x - 1)^2."""
        return (ratio - 1.0) ** 2

    def conjugate(self, slope: Floats) -> Floats:
        """y + y^2/4, with y cut at -2 where x = 0 is best."""
        cut = np.maximum(slope, -2.0)
        return cut + cut**2 / 4.0

    def conjugate_slope(self, slope: Floats) -> Floats:
        """max(1 + y/2, 0)."""
        return np.maximum(1.0 + slope / 2.0, 0.0)

    def slope_at_infinity(self) -> float:
        """Infinite."""
        return float("inf")


class SoftChiSquared:
    """f(x) = (x - 1)^2 / 2 for x >= 1, KL's below; f*(y) = y + y^2/2 for y >= 0, exp(y) - 1 below.

    Chi-squared whose weights never reach zero, so that their logarithms are finite.  Source: OptiDICE, section 3.2.
    """

    name = "soft chi-squared"

    def generator(self, ratio: Floats) -> Floats:
        """(x - 1)^2 / 2, or x log x - x + 1 for x < 1."""
        low = np.minimum(ratio, 1.0)
        return np.where(ratio < 1.0, kl_terms(low, np.ones(())), (ratio - 1.0) ** 2 / 2.0)

    def conjugate(self, slope: Floats) -> Floats:
        """y + y^2/2, or exp(y) - 1 for y < 0."""
        high = np.maximum(slope, 0.0)
        return np.expm1(np.minimum(slope, 0.0)) + high + high**2 / 2.0

    def conjugate_slope(self, slope: Floats) -> Floats:
        """1 + y, or exp(y) for y < 0."""
        return np.exp(np.minimum(slope, 0.0)) + np.maximum(slope, 0.0)

    def slope_at_infinity(self) -> float:
        """Infinite."""
        return float("inf")


class Cubic:
    """f(x) = x^3 / 3, f*(y) = (2/3) max(y, 0)^(3/2): the choice of DAMO's parent method.

    It dominates x log x, but f(1) = 1/3: an offset that makes it no divergence.  Source: DAMO's parent, OMPO.
    """

    name = "x^3/3"

    def generator(self, ratio: Floats) -> Floats:
        """x^3 / 3."""
        return ratio**3 / 3.0

    def conjugate(self, slope: Floats) -> Floats:
        """(2/3) max(y, 0)^(3/2)."""
        return np.maximum(slope, 0.0) ** 1.5 * (2.0 / 3.0)

    def conjugate_slope(self, slope: Floats) -> Floats:
        """sqrt(max(y, 0))."""
        return np.sqrt(np.maximum(slope, 0.0))

    def slope_at_infinity(self) -> float:
        """Infinite."""
        return float("inf")


class TotalVariation:
    """f(x) = |x - 1| / 2: D_f = sup_A |p(A) - q(A)|, half the L1 distance; f*(y) = max(y, -1/2) for y <= 1/2."""

    name = "TV"

    def generator(self, ratio: Floats) -> Floats:
        """|x - 1| / 2."""
        return np.abs(ratio - 1.0) / 2.0

    def conjugate(self, slope: Floats) -> Floats:
        """max(y, -1/2), infinite above 1/2."""
        return np.where(slope > 0.5, np.inf, np.maximum(slope, -0.5))

    def conjugate_slope(self, slope: Floats) -> Floats:
        """1 above -1/2 and 0 below, a subgradient."""
        return np.where(slope > -0.5, 1.0, 0.0)

    def slope_at_infinity(self) -> float:
        """One half."""
        return 0.5


class JensenShannon:
    """JSD(p, q) = KL(p||m)/2 + KL(q||m)/2, m = (p+q)/2, in [0, log 2]; f*(y) = -log(2 - exp(2y))/2 for y < log(2)/2."""

    name = "JSD"

    def generator(self, ratio: Floats) -> Floats:
        """(x log x - (1 + x) log((1 + x)/2)) / 2."""
        middle = (1.0 + ratio) / 2.0
        return (kl_terms(ratio, middle) + kl_terms(np.ones(()), middle)) / 2.0

    def conjugate(self, slope: Floats) -> Floats:
        """-log(2 - exp(2y)) / 2, infinite from log(2)/2 on."""
        inside = slope < LOG_2 / 2.0
        return np.where(inside, -np.log(2.0 - np.exp(2.0 * np.where(inside, slope, 0.0))) / 2.0, np.inf)

    def conjugate_slope(self, slope: Floats) -> Floats:
        """exp(2y) / (2 - exp(2y))."""
        grown = np.exp(2.0 * slope)
        return grown / (2.0 - grown)

    def slope_at_infinity(self) -> float:
        """log(2)/2."""
        return LOG_2 / 2.0


def check_kind(kind: Any) -> None:
    """Raises InvalidArgumentError unless `kind` is a `Divergence`: a name of one is not, nor is its class."""
    if isinstance(kind, type) or not hasattr(kind, "generator"):
        given = kind.__name__ if isinstance(kind, type) else repr(kind)
        raise InvalidArgumentError(
            f"the divergence is {given}; expected an object of tabular.bounds.divergences, as KullbackLeibler()."
        )


def divergence(kind: Divergence, p: Floats, q: Floats) -> Floats:
    """D_f(p || q) along the last axis, in nats for KL and JSD; infinite where f grows too fast for mass outside q.

    Raises:
        InvalidArgumentError: `kind` is a name or a class.
    """
    check_kind(kind)
    p, q = np.broadcast_arrays(p, q)
    shared = q >= _SMALLEST
    ratio = np.divide(p, q, out=np.zeros(p.shape), where=shared)
    inside = np.where(shared, q * kind.generator(ratio), 0.0).sum(axis=-1)
    orphan = np.where(shared, 0.0, p).sum(axis=-1)  # mass of p where q has none
    with np.errstate(invalid="ignore"):
        return np.where(orphan > 0.0, inside + orphan * kind.slope_at_infinity(), inside)


def kl(p: Floats, q: Floats) -> Floats:
    """KL(p || q) along the last axis, nats; infinite where p has mass and q none."""
    return kl_terms(p, q).sum(axis=-1)


def kl_terms(p: Floats, q: Floats) -> Floats:
    """p log(p / q) - p + q, elementwise, which is never negative; its sum is KL(p || q), as p and q sum to one.

    Where p and q are close, p log(p / q) alone is a rounded difference of the size of p, and the sum of many is noise.
    """
    p, q = np.broadcast_arrays(p, q)
    change = q - p
    is_near = np.abs(change) < _NEAR * p
    share = np.divide(change, p, out=np.zeros(p.shape), where=is_near)
    return np.where(is_near, p * (share - np.log1p(share)), rel_entr(p, q) + change)


def total_variation(p: Floats, q: Floats) -> Floats:
    """sup_A |p(A) - q(A)| along the last axis, in [0, 1]: half the L1 distance."""
    return np.abs(p - q).sum(axis=-1) / 2.0


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """JSD(p, q) along the last axis, nats, in [0, log 2]."""
    middle = (p + q) / 2.0
    return (kl(p, middle) + kl(q, middle)) / 2.0


def optimal_discriminator(p: Floats, q: Floats) -> Floats:
    """p / (p + q), elementwise: the best guess that a sample came from p; 1/2 where both are zero."""
    total = p + q
    return np.divide(p, total, out=np.full(total.shape, 0.5), where=total > 0.0)


def optimal_logit(p: Floats, q: Floats) -> Floats:
    """log p - log q, elementwise: the optimal discriminator before its sigmoid; 0 where both are zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(p) - np.log(q)
    return np.where((p > 0.0) | (q > 0.0), logit, 0.0)


def gan_value(p: Floats, q: Floats, logit: Floats) -> Floats:
    """E_p[log D] + E_q[log(1 - D)] along the last axis, nats, for D = sigmoid(logit).  Source: AMPL, Eq. 16.

    At the optimal logit it is 2 JSD(p, q) - 2 log 2. Logits rather than D, because D rounds to 1 long before 1 - D is
    zero.
    """
    of_p = p * np.where(p > 0.0, -np.logaddexp(0.0, -logit), 0.0)
    of_q = q * np.where(q > 0.0, -np.logaddexp(0.0, logit), 0.0)
    return (of_p + of_q).sum(axis=-1)
