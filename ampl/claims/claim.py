"""What a claim is, how one case measures it, how many measurements become a verdict.  Source: theory.md, section 8."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from ampl.claims.record import Verdict
from ampl.error_places import located_words
from ampl.errors import AmplError, InvalidArgumentError, check_at_least
from ampl.real_numbers import real_number

if TYPE_CHECKING:
    from ampl.claims.cases import Case

LARGEST_RATIO = 1e12  # stands for a ratio to zero
_CLEAR_EXCESSES = (0.05, 1e-3)  # violations beyond the first are clear, below the second they may be taken for rounding

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Size = tuple[int, ...]
"""How much there is to read in a case, most important first: less is better; equally long within a kind of cases."""

Smallest = tuple[int, Size, float, int]
"""Of a violation: how unclear it is, the size of its case, minus its value, its index: less is better."""


class Relation(Enum):
    """What a claim says about its two sides; `symbol` is for people."""

    AT_MOST = "<="
    BELOW = "<"
    EQUAL = "="


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The two sides of a claim on one case.

    Attributes:
        left, right: the sides, in the claim's unit, of either sign.
        condition_met: whether the corrected claim's condition holds on this case (always true for claims without one).
        settings: what else the claim speaks of and the measurement chose, for people: "α = 0.1".
        rounding: how far float64 may have moved the sides against each other, in their unit; a difference of at most
            this much contradicts nothing.
    """

    left: float
    right: float
    condition_met: bool = True
    settings: str = ""
    rounding: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A case that decides nothing: a solve missed its tolerance, or rounding or chance may explain the difference."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of a paper in a form that a case can contradict.

    Attributes:
        name: for tables and the command line.
        source: paper and equation, or this project's own finding.
        statement: in words and symbols.
        relation: what must hold between the two sides.
        measure: the two sides on a case, whose rewards are divided by its r_max (`case.in_reward_units`), or None where
            the claim does not apply to it.
        expected: the verdict that theory gives.
        condition: what must be added for the claim to hold, if anything.
        tolerance: rounding allowed, >= 0: of `<=` and `<` on the sides' ratio, of `=` on their difference over
            max(1, |left|, |right|), so that it is absolute where both sides are below one.
        kind: of cases that it is measured on: the name of their source.
    """

    name: str
    source: str
    statement: str
    relation: Relation
    measure: Callable[[Any], Measurement | None]
    expected: Verdict
    condition: str = ""
    tolerance: float = 1e-9
    kind: str = "finite"

    def __post_init__(self) -> None:
        """Checks what a file of the user's may have wrong.

        Raises:
            InvalidArgumentError: a name that no file can have, or a field of another type.
        """
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidArgumentError(f"a claim's name is {self.name!r}; expected letters, digits, dots and dashes.")
        texts = [(field, str) for field in ("source", "statement", "condition", "kind")]
        for field, kind in (("relation", Relation), ("expected", Verdict), *texts):
            if not isinstance(getattr(self, field), kind):
                wanted = "text" if kind is str else kind.__name__
                raise InvalidArgumentError(
                    f"{field} of claim '{self.name}' is {getattr(self, field)!r}; expected a {wanted}."
                )
        if not callable(self.measure):
            raise InvalidArgumentError(f"measure of claim '{self.name}' is {self.measure!r}; expected a function.")
        tolerance = real_number(f"tolerance of claim '{self.name}'", self.tolerance)
        check_at_least(f"tolerance of claim '{self.name}'", tolerance, 0.0)
        object.__setattr__(self, "tolerance", tolerance)

    def assess(self, case: Case) -> Measurement | Undecided | None:
        """The two sides on a case, in units of its r_max; None where the claim does not apply.

        Raises:
            InvalidArgumentError: the measure fails, exits, or returns something else than a Measurement of numbers.
        """
        try:
            found = self.measure(case.in_reward_units)
        except (AmplError, np.linalg.LinAlgError) as error:  # one case of one claim; the others go on
            return Undecided(reason=str(error))
        except (Exception, SystemExit) as error:
            raise InvalidArgumentError(
                f"claim '{self.name}' cannot be measured on a case ({located_words(error)}); mend it."
            ) from error
        if found is None:
            return None
        if not isinstance(found, Measurement):
            raise InvalidArgumentError(
                f"claim '{self.name}' measures {found!r}; expected a Measurement of two numbers."
            )
        found = self._checked(found)
        difference = abs(found.left - found.right)
        if math.isnan(difference):
            return Undecided(reason=f"one side is {found.left:g}, the other {found.right:g}")
        if self.is_violated(found) and 0.0 < found.rounding >= difference:
            return Undecided(reason=f"the sides differ by {difference:.2g}, rounding may be {found.rounding:.2g}")
        return found

    def _checked(self, found: Measurement) -> Measurement:
        """What a measure returned, with plain Python numbers."""
        of_claim = f"of what claim '{self.name}' measures"
        left, right, rounding = (
            real_number(f"{side} {of_claim}", getattr(found, side)) for side in ("left", "right", "rounding")
        )
        if not isinstance(found.condition_met, bool | np.bool_):
            raise InvalidArgumentError(f"condition_met {of_claim} is {found.condition_met!r}; expected True or False.")
        if not isinstance(found.settings, str):
            raise InvalidArgumentError(f"settings {of_claim} is {found.settings!r}; expected a text.")
        return replace(found, left=left, right=right, rounding=rounding, condition_met=bool(found.condition_met))

    def value(self, measurement: Measurement) -> float:
        """How near to failing: a ratio for inequalities, |left - right| / max(1, |left|, |right|) for equalities.

        The ratio is left/right, or right/left where both are negative. Where the signs leave none, it is 0 for a left
        side that is smaller, and `LARGEST_RATIO` for one that is larger. Of two zeros only `<` fails.
        """
        left, right = measurement.left, measurement.right
        if self.relation is Relation.EQUAL:
            return min(abs(left - right) / max(1.0, abs(left), abs(right)), LARGEST_RATIO)
        if left == right == 0.0:
            return 1.0 if self.relation is Relation.BELOW else 0.0
        if left >= 0.0 >= right:
            return LARGEST_RATIO
        if left <= 0.0 <= right:
            return 0.0
        return min(left / right if right > 0.0 else right / left, LARGEST_RATIO)

    def is_violated(self, measurement: Measurement) -> bool:
        """Whether the case contradicts the claim by more than rounding."""
        value = self.value(measurement)
        if self.relation is Relation.EQUAL:
            return not value <= self.tolerance
        if self.relation is Relation.BELOW:
            return not value < 1.0 - self.tolerance
        return not value <= 1.0 + self.tolerance

    def is_vacuous(self, measurement: Measurement) -> bool:
        """Whether an inequality says nothing on the case, as its right side is infinite."""
        return self.relation is not Relation.EQUAL and measurement.right == math.inf

    def unclearness(self, measurement: Measurement) -> int:
        """0 for a violation by more than five percent, 1 for one by more than a thousandth, 2 for any other.

        Where the signs of an inequality's sides leave no ratio, the difference counts.
        """
        if self.relation is Relation.EQUAL:
            excess = self.value(measurement)
        elif measurement.right > 0.0 or measurement.left < 0.0:
            excess = self.value(measurement) - 1.0
        else:
            excess = measurement.left - measurement.right
        return sum(excess < clear for clear in _CLEAR_EXCESSES)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What many cases said about one claim; `worst_index` points into the list of cases.

    Attributes:
        cases: those that could be decided.
        undecided: those that could not; they count for nothing else.
        reason: why the first of these is undecided.
        vacuous: decided ones on which the claim says nothing.
        smallest, smallest_despite_condition: the simplest violations where the condition is not met, and where it is.
    """

    cases: int = 0
    undecided: int = 0
    reason: str = ""
    vacuous: int = 0
    meeting_condition: int = 0
    violations: int = 0
    violations_despite_condition: int = 0
    worst: float = -1.0
    worst_index: int = -1
    smallest: Smallest | None = None
    smallest_despite_condition: Smallest | None = None

    def add(self, claim: Claim, measurement: Measurement | Undecided, index: int, size: Size = ()) -> Tally:
        """This tally with one more case."""
        if isinstance(measurement, Undecided):
            return replace(self, undecided=self.undecided + 1, reason=self.reason or measurement.reason)
        value = claim.value(measurement)
        violated = claim.is_violated(measurement)
        is_worst = value > self.worst
        smallest, despite = self.smallest, self.smallest_despite_condition
        if violated:
            found = (claim.unclearness(measurement), size, -value, index)
            if measurement.condition_met:
                despite = _smaller(despite, found)
            else:
                smallest = _smaller(smallest, found)
        return replace(
            self,
            cases=self.cases + 1,
            vacuous=self.vacuous + claim.is_vacuous(measurement),
            meeting_condition=self.meeting_condition + measurement.condition_met,
            violations=self.violations + violated,
            violations_despite_condition=self.violations_despite_condition + (violated and measurement.condition_met),
            worst=value if is_worst else self.worst,
            worst_index=index if is_worst else self.worst_index,
            smallest=smallest,
            smallest_despite_condition=despite,
        )

    def merge(self, later: Tally) -> Tally:
        """Both tallies as one; on equal worst values the earlier case stays."""
        first = self if self.worst >= later.worst else later
        return replace(
            first,
            cases=self.cases + later.cases,
            undecided=self.undecided + later.undecided,
            reason=self.reason or later.reason,
            vacuous=self.vacuous + later.vacuous,
            meeting_condition=self.meeting_condition + later.meeting_condition,
            violations=self.violations + later.violations,
            violations_despite_condition=self.violations_despite_condition + later.violations_despite_condition,
            smallest=_smaller(self.smallest, later.smallest),
            smallest_despite_condition=_smaller(self.smallest_despite_condition, later.smallest_despite_condition),
        )

    def contradicts(self, expected: Verdict) -> bool:
        """Whether a case speaks against the expected verdict; cases can contradict, but too few of them cannot."""
        if expected is Verdict.HOLDS:
            return self.violations > 0
        return expected is Verdict.HOLDS_WITH_CONDITION and self.violations_despite_condition > 0

    @property
    def verdict(self) -> Verdict:
        """What the cases say.

        `not decided` if no case could be decided, `holds` without violations, `holds with condition` if there are none
        where the condition is met, otherwise `fails as printed`.
        """
        if self.undecided and not self.cases:
            return Verdict.NOT_DECIDED
        if not self.violations:
            return Verdict.HOLDS
        if self.meeting_condition and not self.violations_despite_condition:
            return Verdict.HOLDS_WITH_CONDITION
        return Verdict.FAILS_AS_PRINTED

    @property
    def counterexample(self) -> int | None:
        """Index of the simplest case behind the verdict; None if nothing is violated."""
        found = self.smallest
        if self.verdict is Verdict.FAILS_AS_PRINTED:
            found = self.smallest_despite_condition or found
        return None if found is None else found[-1]


def _smaller(first: Smallest | None, second: Smallest | None) -> Smallest | None:
    if first is None or second is None:
        return first or second
    return min(first, second)
