"""Two rewards of x = (s, a) whose mean under a Gaussian has a formula; both have a positive semidefinite matrix W."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from continuous.linear_gaussian.checks import Floats, checked_array, checked_covariance, freeze
from continuous.linear_gaussian.square_roots import root_by_units


class Reward(Protocol):
    """r(s, a)."""

    @property
    def matrix(self) -> Floats:
        """W, [D + A, D + A]."""

    @property
    def size(self) -> int:
        """D + A."""

    @property
    def bound(self) -> float:
        """r_max; infinite where there is none."""

    def __call__(self, pairs: Floats) -> Floats:
        """Rewards of x = (s, a): from [..., D + A] to [...]."""

    def expectation(self, means: Floats, covariances: Floats) -> Floats:
        """E[r(x)] where x ~ N(mean, covariance): from [..., n] and [..., n, n] to [...]."""


@dataclass(frozen=True, eq=False)
class _OfMatrix:
    matrix: Floats

    def __post_init__(self) -> None:
        rows = checked_array("matrix of the reward", self.matrix, (None, None))
        freeze(self, matrix=checked_covariance("matrix of the reward", rows, len(rows)))

    @property
    def size(self) -> int:
        """D + A."""
        return len(self.matrix)


class QuadraticReward(_OfMatrix):
    """r = -x' W x, at most zero and without a lower bound: its best policy and return are known (`optimum`)."""

    bound = float("inf")

    def __call__(self, pairs: Floats) -> Floats:
        """-x' W x."""
        result: Floats = -np.einsum("...i,ij,...j->...", pairs, self.matrix, pairs)
        return result

    def expectation(self, means: Floats, covariances: Floats) -> Floats:
        """-(m' W m + tr(W V))."""
        result: Floats = self(means) - np.einsum("ij,...ji->...", self.matrix, covariances)
        return result


class BoundedReward(_OfMatrix):
    """r = exp(-x' W x / 2), in (0, 1]: for the theorems, which need |r| <= r_max."""

    bound = 1.0

    def __call__(self, pairs: Floats) -> Floats:
        """exp(-x' W x / 2)."""
        result: Floats = np.exp(-0.5 * np.einsum("...i,ij,...j->...", pairs, self.matrix, pairs))
        return result

    def expectation(self, means: Floats, covariances: Floats) -> Floats:
        """det(I + W V)^(-1/2) exp(-m' (I + W V)^(-1) W m / 2), along the axes of R V R' with a root R' R = W."""
        root = root_by_units(self.matrix).T
        axes, spread, _ = np.linalg.svd(root @ root_by_units(covariances))
        along = np.einsum("...ij,...i->...j", axes, means @ root.T)
        result: Floats = np.exp(-0.5 * (np.log1p(spread**2) + along**2 / (1.0 + spread**2)).sum(-1))
        return result
