"""A case as DAMO sees it: a model that the data cover, a coefficient, an f, and the occupancies that follow.

The data must cover the model for DAMO's claims to be finite, so a case's model is first kept within the transitions of
the truth. The coefficient alpha is drawn for each case, from 0.01 to 10 times the rewards' scale. Statements about
values of either sign are measured as 1 against 1 + (the larger minus the smaller), in units of r_max + alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.errors import AbsoluteContinuityError
from tabular.alignment.inner_minimum import InnerMinimum, inner_minimum
from tabular.alignment.surrogate import surrogate
from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.bounds.divergences import ChiSquared, Cubic, Divergence, KullbackLeibler
from tabular.claims.case import Case

_ROUNDING = 1e-7  # of values that come from a duality gap
_PAIRS = 60  # the interior-point method takes milliseconds on cases of this size


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedCase:
    """A case as DAMO sees it."""

    occupancies: TransitionOccupancies
    alpha: float
    kind: Divergence
    is_forced: bool  # whether the model's support leaves each pair one next state
    generator: Callable[[str], np.random.Generator]  # a random stream of the case's own, one for each purpose

    @property
    def scale(self) -> float:
        """r_max + alpha: what values are measured in."""
        return self.occupancies.support.mdp.reward_bound + self.alpha

    @property
    def minimum(self) -> InnerMinimum:
        """The inner minimum."""
        return self.minimum_for(self.kind)

    def minimum_for(self, kind: Divergence) -> InnerMinimum:
        """The inner minimum with another f, solved once for each."""
        if kind.name not in self._minima:
            self._minima[kind.name] = inner_minimum(self.occupancies, self.alpha, kind)
        return self._minima[kind.name]

    @cached_property
    def _minima(self) -> dict[str, InnerMinimum]:
        return {}

    @cached_property
    def surrogate(self) -> float:
        """S(pi)."""
        return surrogate(self.occupancies, self.alpha, self.kind)

    def settings_with(self, kind: Divergence) -> str:
        """What a measurement with some f is made with, in words."""
        return f"α = {self.alpha:.3g}, f of {kind.name}"


_KINDS: tuple[Divergence, ...] = (ChiSquared(), KullbackLeibler(), Cubic())


@lru_cache(maxsize=4)
def _occupancies(case: Case) -> tuple[TransitionOccupancies, bool]:
    dynamics = case.mdp.to_dense().dynamics
    rows = case.model.to_dense().dynamics * (dynamics > 0.0)
    disjoint = rows.sum(axis=-1) <= 0.0
    if disjoint.any():
        state, action = (int(i) for i in np.argwhere(disjoint)[0])
        raise AbsoluteContinuityError(
            f"after action {action} in state {state} the model shares no next state with the true MDP; expected one at "
            "least, for DAMO's claims keep only the model's transitions that the data can have."
        )
    model = case.mdp.to_dense().with_dynamics(rows / rows.sum(axis=-1, keepdims=True))
    occupancies = TransitionSupport(case.mdp.to_dense(), model, case.behavior).occupancies(case.policy)
    followed = np.bincount(occupancies.support.pair, occupancies.model > 0.0)
    return occupancies, bool(followed.max() <= 1)


@lru_cache(maxsize=4)
def _aligned(case: Case) -> AlignedCase:
    occupancies, is_forced = _occupancies(case)
    generator = case.generator("damo")
    alpha = float(10.0 ** generator.uniform(-2.0, 1.0)) * max(case.mdp.reward_bound, 1e-3)
    kind = _KINDS[int(generator.integers(len(_KINDS)))]
    return AlignedCase(occupancies=occupancies, alpha=alpha, kind=kind, is_forced=is_forced, generator=case.generator)


def on_small_cases(measure: Callable[[AlignedCase], Measurement | None]) -> Callable[[Case], Measurement | None]:
    """Leaves out cases that are too large."""

    def measured(case: Case) -> Measurement | None:
        if case.n_pairs > _PAIRS:
            return None
        aligned = _aligned(case)
        found = measure(aligned)
        return found and replace(found, settings=found.settings or aligned.settings_with(aligned.kind))

    return measured


def aligned_claim(
    name: str,
    source: str,
    statement: str,
    relation: Relation,
    measure: Callable[[AlignedCase], Measurement | None],
    *,
    condition: str = "",
    tolerance: float = _ROUNDING,
) -> Claim:
    """A claim of DAMO, measured on small cases; with a condition it is expected to need it."""
    return Claim(
        name=name,
        source=source,
        statement=statement,
        relation=relation,
        measure=on_small_cases(measure),
        expected=Verdict.HOLDS_WITH_CONDITION if condition else Verdict.HOLDS,
        condition=condition,
        tolerance=tolerance,
    )


def at_least(larger: float, smaller: float, scale: float, condition_met: bool = True) -> Measurement:
    """That one value is at least another, whatever their signs; all three in one unit."""
    return Measurement(left=1.0, right=max(1.0 + (larger - smaller) / scale, 1e-12), condition_met=condition_met)


def equal(left: float, right: float, scale: float, condition_met: bool = True) -> Measurement:
    """That two values are equal, relative to a scale."""
    return Measurement(left=(left - right) / scale, right=0.0, condition_met=condition_met)
