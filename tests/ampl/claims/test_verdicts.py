"""Verdicts follow from measurements."""

from dataclasses import replace

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation, Tally, Undecided


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
