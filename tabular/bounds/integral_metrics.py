"""Integral probability metrics between the next-state rows of two finite MDPs, each with the norm of V it goes with.

    d_F(P_hat, P*)(s, a) = sup_{f in F} E_P_hat[f(s')] - E_P*[f(s')]          so, for V in c F,
    |G(s, a)| = |E_P_hat[V] - E_P*[V]| <= c d_F(P_hat, P*)(s, a)

    L1Distance            F = {|f| <= 1}                c = |V|_inf          sum |P_hat - P*|, in [0, 2]
    SupTotalVariation     F = {0 <= f <= 1}             c = max V - min V    sup_A |P_hat(A) - P*(A)|, in [0, 1]
    Wasserstein1          F = {1-Lipschitz}             c = Lip(V)           linear program, any metric on the states
    LineWasserstein1      the same, states on a line    c = Lip(V)           closed form
    MeanDiscrepancy       F = {|f|_H <= 1}              c = |V|_H            MMD of the reproducing kernel

The two total variations differ by a factor of two that the printed text mixes up: sup over |f| <= 1 is the L1 distance,
twice sup_A.  Source: MOPO, section 4.1; theory.md, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError
from tabular.bounds.theorem1 import next_state_total_variation
from tabular.bounds.transport import METRIC_TOLERANCE, check_metric, check_square, transport_costs
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.model_checks import check_same_space
from tabular.types import Floats, StateValue


class IntegralMetric(Protocol):
    """A class of functions F, by the two numbers that MOPO needs of it."""

    @property
    def name(self) -> str:
        """For tables and figures."""
        ...

    def distance(self, mdp: FiniteMDP, model: FiniteMDP) -> Floats:
        """d_F(P_hat, P*)(s, a), [S, A]."""
        ...

    def norm(self, state_value: StateValue) -> float:
        """The smallest c with V in c F, or in c F + constants where constants do not matter."""
        ...


@dataclass(frozen=True, kw_only=True)
class L1Distance:
    """Total variation as the sup over |f| <= 1: the L1 distance, twice `SupTotalVariation`.

    Attributes:
        centered: whether V may be shifted by a constant first, which no expectation difference notices: the norm is
            then (max V - min V) / 2, the smallest that serves.
    """

    centered: bool = False

    @property
    def name(self) -> str:
        """See IntegralMetric."""
        return "total variation (L1)"

    def distance(self, mdp: FiniteMDP, model: FiniteMDP) -> Floats:
        """sum_s' |P_hat - P*|, [S, A], in [0, 2]."""
        return 2.0 * next_state_total_variation(mdp, model)

    def norm(self, state_value: StateValue) -> float:
        """max |V|, or half the range of V; reward units."""
        return float(np.ptp(state_value)) / 2.0 if self.centered else float(np.abs(state_value).max())


@dataclass(frozen=True, kw_only=True)
class SupTotalVariation:
    """Total variation as the sup over events; the range of V goes with it, not max |V|."""

    @property
    def name(self) -> str:
        """See IntegralMetric."""
        return "total variation (sup over events)"

    def distance(self, mdp: FiniteMDP, model: FiniteMDP) -> Floats:
        """sup_A |P_hat(A) - P*(A)|, [S, A], in [0, 1]."""
        return next_state_total_variation(mdp, model)

    def norm(self, state_value: StateValue) -> float:
        """max V - min V; reward units."""
        return float(np.ptp(state_value))


@dataclass(frozen=True, kw_only=True, eq=False)
class Wasserstein1:
    """The 1-Wasserstein distance for any metric on the states, by linear programming.

    Args:
        metric: distances between states, [S, S'], in any unit; two states may be at distance zero.

    Raises:
        InvalidShapeError: not square.
        InvalidArgumentError: an entry that is negative or not finite, or that breaks an axiom of distances.
    """

    metric: Floats

    def __post_init__(self) -> None:
        check_metric(self.metric)

    @property
    def name(self) -> str:
        """See IntegralMetric."""
        return "Wasserstein-1"

    def distance(self, mdp: FiniteMDP, model: FiniteMDP) -> Floats:
        """W1(P_hat, P*), [S, A], in the unit of the metric; exact to about 1e-8 of the largest distance.

        Raises:
            InvalidShapeError: the MDPs or the metric differ in size.
            NotConvergedError: the linear program was not solved.
        """
        difference = row_difference(mdp, model, len(self.metric), "metric")
        rows = difference.reshape(-1, mdp.n_states)
        return transport_costs(rows, np.asarray(self.metric, dtype=np.float64)).reshape(mdp.reward.shape)

    def norm(self, state_value: StateValue) -> float:
        """The Lipschitz constant of V: max |V(s) - V(t)| / metric(s, t); reward units per unit of distance.

        Raises:
            InvalidShapeError: V and the metric differ in size.
            InvalidArgumentError: V differs between two states at distance zero.
        """
        _check_length(state_value, len(self.metric), "metric")
        return _largest_slope(np.abs(state_value[:, None] - state_value), self.metric)

    def norm_between(self, lowest: StateValue, highest: StateValue) -> float:
        """The largest Lipschitz constant of any V with lowest <= V <= highest, [S] each.  Raises as `norm`."""
        _check_length(lowest, len(self.metric), "metric")
        rise = np.maximum(highest[:, None] - lowest, highest - lowest[:, None])
        np.fill_diagonal(rise, 0.0)
        return _largest_slope(rise, self.metric)


@dataclass(frozen=True, kw_only=True, eq=False)
class LineWasserstein1:
    """The 1-Wasserstein distance for states at points of a line: the integral of the difference of the two CDFs.

    Args:
        positions: where each state lies, [S], in any unit; two states may share a point.

    Raises:
        InvalidShapeError: not a vector.
        InvalidArgumentError: a position that is not finite.
    """

    positions: Floats

    def __post_init__(self) -> None:
        if np.ndim(self.positions) != 1:
            raise InvalidShapeError(f"positions have shape {np.shape(self.positions)}; expected [S].")
        if not np.isfinite(self.positions).all():
            state = int(np.argmin(np.isfinite(self.positions)))
            raise InvalidArgumentError(f"positions[{state}] is {self.positions[state]}; expected a finite number.")

    @property
    def name(self) -> str:
        """See IntegralMetric."""
        return "Wasserstein-1 on a line"

    @property
    def metric(self) -> Floats:
        """The distances between the states, [S, S']."""
        return np.abs(self.positions[:, None] - self.positions)

    def distance(self, mdp: FiniteMDP, model: FiniteMDP) -> Floats:
        """W1(P_hat, P*), [S, A], in the unit of the positions.  Raises InvalidShapeError."""
        difference = row_difference(mdp, model, len(self.positions), "positions")
        order = np.argsort(self.positions)
        above = np.abs(np.cumsum(difference[..., order], axis=-1))[..., :-1]  # [S, A, S'-1]
        return np.asarray(above @ np.diff(self.positions[order]))

    def norm(self, state_value: StateValue) -> float:
        """The Lipschitz constant of V: the steepest slope between neighbors.  Raises as `Wasserstein1.norm`."""
        _check_length(state_value, len(self.positions), "positions")
        return _largest_slope(np.abs(state_value[:, None] - state_value), self.metric)


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanDiscrepancy:
    """Maximum mean discrepancy (MMD): F is the unit ball of the space that a kernel reproduces.

    MMD^2 = E[k(X, X')] - 2 E[k(X, Y)] + E[k(Y, Y')], X, X' from P_hat and Y, Y' from P*, all independent.

    Args:
        kernel: k(s, t), [S, S'], positive semidefinite.

    Raises:
        InvalidShapeError: not square.
        InvalidArgumentError: not finite, not symmetric, or with a negative eigenvalue.
    """

    kernel: Floats

    def __post_init__(self) -> None:
        check_square(self.kernel, "kernel")
        lowest, largest = float(self._spectrum[0][0]), float(np.abs(self.kernel).max())
        if lowest < -METRIC_TOLERANCE * len(self.kernel) * largest:
            raise InvalidArgumentError(
                f"kernel has the eigenvalue {lowest:.3g}; expected a positive semidefinite matrix, such as "
                "exp(-metric) for points on a line."
            )

    @cached_property
    def _spectrum(self) -> tuple[Floats, Floats]:
        """Eigenvalues, ascending, [S], and eigenvectors, [S, S]."""
        values, vectors = np.linalg.eigh(self.kernel)
        return values, vectors

    @property
    def name(self) -> str:
        """See IntegralMetric."""
        return "MMD"

    def distance(self, mdp: FiniteMDP, model: FiniteMDP) -> Floats:
        """MMD(P_hat, P*), [S, A].  Raises InvalidShapeError."""
        difference = row_difference(mdp, model, len(self.kernel), "kernel")
        return np.sqrt(np.maximum(np.einsum("sax,xy,say->sa", difference, self.kernel, difference), 0.0))

    def norm(self, state_value: StateValue) -> float:
        """|V|_H = sqrt(V^T K^+ V), reward units.

        Raises:
            InvalidShapeError: V and the kernel differ in size.
            InvalidArgumentError: V is not in the span of the kernel, so that no multiple of F contains it.
        """
        _check_length(state_value, len(self.kernel), "kernel")
        values, vectors = self._spectrum
        coordinates = vectors.T @ state_value
        kept = values > METRIC_TOLERANCE * len(values) * max(float(values[-1]), 0.0)
        outside = float(np.linalg.norm(coordinates[~kept]))
        if outside > 1e-8 * float(np.linalg.norm(state_value)):
            raise InvalidArgumentError(
                f"V has a part of norm {outside:.3g} outside the span of the kernel, which has rank "
                f"{int(kept.sum())} of {len(values)}; add a multiple of the identity to the kernel."
            )
        return float(np.sqrt(np.sum(coordinates[kept] ** 2 / values[kept])))


def row_difference(mdp: FiniteMDP, model: FiniteMDP, n_states: int | None = None, name: str = "metric") -> Floats:
    """P_hat - P*, dense, [S, A, S'].

    Args:
        mdp: the true MDP, P*.
        model: the same MDP under P_hat.
        n_states: how many states the caller's own array has, if that is to be checked.
        name: of that array.

    Raises:
        InvalidShapeError: the MDPs, or they and the caller's array, differ in size.
    """
    check_same_space(mdp, model)
    if n_states is not None and n_states != mdp.n_states:
        raise InvalidShapeError(f"{name} is for {n_states} states; {mdp.name} has {mdp.n_states}.")
    return np.asarray(model.to_dense().dynamics - mdp.to_dense().dynamics)


def _check_length(state_value: StateValue, n_states: int, name: str) -> None:
    if np.shape(state_value) != (n_states,):
        raise InvalidShapeError(f"V has shape {np.shape(state_value)}; {name} is for {n_states} states, expected [S].")


def _largest_slope(rise: Floats, metric: Floats) -> float:
    """max rise / metric over pairs of states, [S, S'] each."""
    apart = metric > 0.0
    stuck = np.where(apart, 0.0, rise)
    if stuck.max() > 0.0:
        state, other = (int(i) for i in np.unravel_index(int(stuck.argmax()), stuck.shape))
        raise InvalidArgumentError(
            f"V differs by {stuck[state, other]:.3g} between states {state} and {other}, which are at distance 0; "
            "no Lipschitz constant serves. Set them apart."
        )
    return float(np.divide(rise, metric, out=np.zeros(metric.shape), where=apart).max())
