"""Verdicts follow from measurements."""

import math
import sys
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation, Tally, Undecided
from ampl.errors import InvalidArgumentError


def claim(relation: Relation = Relation.AT_MOST) -> Claim:
    return Claim(
        name="c", source="s", statement="left, right", relation=relation, measure=lambda _: None, expected=Verdict.HOLDS
    )


def tally(*measurements: tuple[float, float, bool]) -> Tally:
    result = Tally()
    for index, (left, right, met) in enumerate(measurements):
        result = result.add(claim(), Measurement(left=left, right=right, condition_met=met), index)
    return result


def test_no_violation_means_holds() -> None:
    assert tally((1.0, 2.0, True), (2.0, 2.0, True)).verdict is Verdict.HOLDS


def test_violations_only_outside_the_condition_mean_holds_with_condition() -> None:
    assert tally((1.0, 2.0, True), (3.0, 2.0, False)).verdict is Verdict.HOLDS_WITH_CONDITION


def test_a_violation_inside_the_condition_means_fails() -> None:
    assert tally((3.0, 2.0, True), (1.0, 2.0, False)).verdict is Verdict.FAILS_AS_PRINTED


def test_a_condition_that_was_never_met_supports_nothing() -> None:
    assert tally((3.0, 2.0, False)).verdict is Verdict.FAILS_AS_PRINTED


def test_the_worst_case_is_the_largest_value_and_the_first_of_equals() -> None:
    found = tally((1.0, 2.0, True), (3.0, 2.0, False), (3.0, 2.0, False))
    assert (found.worst, found.worst_index, found.violations) == (1.5, 1, 2)


def test_merging_tallies_equals_counting_in_one() -> None:
    rows = [(1.0, 2.0, True), (3.0, 2.0, False), (1.0, 1.0, True), (3.0, 2.0, False)]
    halves = tally(*rows[:2]), tally(*rows[2:])
    merged, whole = halves[0].merge(halves[1]), tally(*rows)
    assert (merged.cases, merged.violations, merged.worst, merged.worst_index) == (4, 2, 1.5, whole.worst_index)


def test_undecided_cases_are_counted_apart() -> None:
    one = tally((1.0, 2.0, True))
    both = one.add(claim(), Undecided(reason="first"), 1).add(claim(), Undecided(reason="second"), 2)
    assert (both.cases, both.undecided, both.reason, both.verdict) == (1, 2, "first", Verdict.HOLDS)
    assert replace(both, undecided=0, reason="") == one
    merged = one.merge(Tally().add(claim(), Undecided(reason="later"), 5))
    assert (merged.cases, merged.undecided, merged.reason, merged.worst_index) == (1, 1, "later", 0)


def test_a_claim_that_no_case_decides_contradicts_nothing() -> None:
    nothing = Tally().add(claim(), Undecided(reason="first"), 0)
    assert nothing.verdict is Verdict.NOT_DECIDED
    assert not any(nothing.contradicts(verdict) for verdict in Verdict)


def test_a_positive_left_side_over_a_zero_right_side_is_a_violation() -> None:
    assert claim().is_violated(Measurement(left=1e-3, right=0.0))
    assert not claim().is_violated(Measurement(left=0.0, right=0.0))


def test_strict_claims_are_violated_by_equality() -> None:
    assert claim(Relation.BELOW).is_violated(Measurement(left=1.0, right=1.0))
    assert not claim(Relation.BELOW).is_violated(Measurement(left=0.99, right=1.0))


@pytest.mark.parametrize(
    ("left", "right", "at_most", "below"),
    [
        (-1.0, -2.0, True, True),
        (0.0, -5.0, True, True),
        (1.0, -1.0, True, True),
        (-1.0, -1.0, False, True),
        (0.0, 0.0, False, True),
        (-2.0, -1.0, False, False),
        (-1.0, 0.0, False, False),
        (-1.0, 2.0, False, False),
        (0.0, 1.0, False, False),
        (-1e-30, -2e-30, True, True),
        (-1.0 + 1e-12, -1.0, False, True),  # apart by no more than the tolerance
        (-math.inf, -1.0, False, False),
        (-1.0, -math.inf, True, True),
        (math.inf, -1.0, True, True),
    ],
)
def test_inequalities_are_decided_whatever_the_signs(left: float, right: float, at_most: bool, below: bool) -> None:
    sides = Measurement(left=left, right=right)
    for relation, violated in ((Relation.AT_MOST, at_most), (Relation.BELOW, below)):
        assert claim(relation).is_violated(sides) is violated
        assert math.copysign(1.0, claim(relation).value(sides)) > 0.0  # a zero without a sign, too


def test_two_negative_sides_have_the_ratio_of_their_sizes() -> None:
    assert [claim().value(Measurement(left=left, right=-2.0)) for left in (-1.0, -2.0, -4.0)] == [2.0, 1.0, 0.5]
    clear, hardly = Measurement(left=-100.0, right=-200.0), Measurement(left=-100.0, right=-100.01)
    assert [claim().unclearness(sides) for sides in (clear, hardly)] == [0, 2]


def measuring(**values: Any) -> Claim:
    fields = {"left": 0.5, "right": 1.0} | values
    return replace(claim(), measure=lambda _: Measurement(**fields))


def a_case() -> Any:
    return SimpleNamespace(in_reward_units=None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((side, value) for side in ("left", "right") for value in ("a", None, 1j, np.True_, True, 10**400, [1.0])),
        ("left", np.array([1.0])),
        ("rounding", None),
        ("rounding", "x"),
        ("condition_met", None),
        ("condition_met", 1.0),
        ("settings", None),
    ],
)
def test_a_measurement_of_anything_but_numbers_is_refused_with_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{field} of what claim 'c' measures is .*; expected "):
        measuring(**{field: value}).assess(a_case())


def test_a_number_too_long_to_print_is_refused_as_well() -> None:
    with pytest.raises(InvalidArgumentError, match="left of what claim 'c' measures is a int; expected a real number"):
        measuring(left=10**5000).assess(a_case())


@pytest.mark.parametrize("number", [1, np.float32(1.0), np.int64(1), np.array(1.0), Fraction(1)])
def test_numbers_of_any_library_are_numbers(number: Any) -> None:
    found = measuring(left=number, rounding=number, condition_met=np.False_).assess(a_case())
    assert found == Measurement(left=1.0, right=1.0, rounding=1.0, condition_met=False)
    assert isinstance(found, Measurement)
    assert type(found.left) is float
    assert found.condition_met is False


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tolerance", "x", "tolerance of claim 'c' is 'x'; expected a real number"),
        ("tolerance", None, "tolerance of claim 'c' is None; expected a real number"),
        ("tolerance", -1e-9, "tolerance of claim 'c' is -1e-09; expected at least 0"),
        ("tolerance", math.nan, "tolerance of claim 'c' is nan; expected at least 0"),
        ("statement", None, "statement of claim 'c' is None; expected a text"),
        ("source", None, "source of claim 'c' is None; expected a text"),
        ("condition", 1, "condition of claim 'c' is 1; expected a text"),
        ("kind", [], r"kind of claim 'c' is \[\]; expected a text"),
    ],
)
def test_a_claim_with_a_field_of_another_type_is_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        replace(claim(), **{field: value})


def test_a_measure_that_exits_does_not_end_the_run_as_if_all_were_well() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"claim 'c' cannot be measured on a case \(SystemExit: 0; .*\.py, line \d+\)"
    ):
        replace(claim(), measure=lambda _: sys.exit(0)).assess(a_case())
