"""A claim on a case for which more is drawn: a coefficient, an f, a detector of unknown pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.claims.case import Case

ROUNDING = 1e-7  # of values that come from linear solves or from a duality gap
_PAIRS = 60  # of a case at most: measurements then take milliseconds

_Drawn = TypeVar("_Drawn")


def drawn_claim(
    draw: Callable[[Case], _Drawn],
    settings: Callable[[_Drawn], str],
    name: str,
    source: str,
    statement: str,
    measure: Callable[[_Drawn], Measurement | None],
    expected: Verdict = Verdict.HOLDS,
    *,
    condition: str = "",
    relation: Relation = Relation.AT_MOST,
    tolerance: float = ROUNDING,
) -> Claim:
    """A claim measured on small cases with what `draw` adds to them; with a condition it is expected to need it.

    `settings` says in words what was drawn, for measurements that do not say so themselves.
    """

    def measured(case: Case) -> Measurement | None:
        if case.n_pairs > _PAIRS:
            return None
        drawn = draw(case)
        found = measure(drawn)
        return found and replace(found, settings=found.settings or settings(drawn))

    return Claim(
        name=name,
        source=source,
        statement=statement,
        relation=relation,
        measure=measured,
        expected=Verdict.HOLDS_WITH_CONDITION if condition else expected,
        condition=condition,
        tolerance=tolerance,
    )
