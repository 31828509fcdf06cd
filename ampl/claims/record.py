"""The record of one checked claim: `ampl verify` writes it, reports read it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from ampl.errors import InvalidArgumentError, InvalidFileError, check_at_least
from ampl.files import check_output, read_json, write_json

_SIGNATURE = '"claim"'  # the first key of the first record
_HINT = "Expected a file written by `ampl verify --json FILE`."


class Verdict(StrEnum):
    """What the search for counterexamples says about a claim."""

    HOLDS = "holds"
    HOLDS_WITH_CONDITION = "holds with condition"
    FAILS_AS_PRINTED = "fails as printed"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True, kw_only=True)
class ClaimRecord:
    """One claim and what came of checking it.

    Attributes:
        claim: its name.
        source: paper and theorem, lemma or equation.
        verdict: what the cases say.
        expected: the verdict that theory gives.
        worst: the measurement of the worst case, in the unit of the claim; finite, 0 if no case was decided.
        cases: how many cases were decided, >= 0.
        counterexample: path of the saved worst case, if one was saved.
        undecided: how many cases float64 could not decide, >= 0; files of earlier versions do not say.

    Raises:
        InvalidArgumentError: worst is not finite, or a number of cases is negative.
    """

    claim: str
    source: str
    verdict: Verdict
    expected: Verdict
    worst: float
    cases: int
    counterexample: str | None = None
    undecided: int = 0

    def __post_init__(self) -> None:
        check_at_least(f"cases of claim '{self.claim}'", self.cases, 0)
        check_at_least(f"undecided cases of claim '{self.claim}'", self.undecided, 0)
        if not math.isfinite(self.worst):
            raise InvalidArgumentError(f"worst of claim '{self.claim}' is {self.worst}; expected a finite number.")


def write_claims(path: Path, records: Sequence[ClaimRecord]) -> None:
    """Writes the records as a JSON list of objects, atomically.

    Raises:
        InvalidArgumentError: there are no records.
        ForeignFileError: `path` holds something else than claim records.
    """
    check_at_least("number of claim records", len(records), 1)
    check_claims_output(path)
    write_json(path, [asdict(record) for record in records])


def check_claims_output(path: Path) -> None:
    """Raises ForeignFileError if `path` holds something else than claim records, InvalidFileError if it cannot be."""
    check_output(path, _SIGNATURE)


def read_claims(path: Path) -> list[ClaimRecord]:
    """Reads what `write_claims` wrote.

    Raises:
        InvalidFileError: missing, not JSON, or a record that is not as expected; names the file, the index and the key.
    """
    items = read_json(path, _HINT)
    if not isinstance(items, list):
        raise InvalidFileError(f"{path} holds a JSON {type(items).__name__}; expected a list of claims. {_HINT}")
    return [_record(path, index, item) for index, item in enumerate(items)]


def _record(path: Path, index: int, item: Any) -> ClaimRecord:
    place = f"{path}, claim {index}"
    if not isinstance(item, dict):
        raise InvalidFileError(f"{place} is not an object. {_HINT}")
    names = [field.name for field in fields(ClaimRecord)]
    item = {"undecided": 0} | item
    for key in names:
        if key not in item:
            raise InvalidFileError(f"{place} lacks '{key}'. {_HINT}")
    for key in item:
        if key not in names:
            raise InvalidFileError(f"{place} has an unknown key '{key}'; expected {', '.join(names)}.")
    return ClaimRecord(
        claim=_text(place, item, "claim"),
        source=_text(place, item, "source"),
        verdict=_verdict(place, item, "verdict"),
        expected=_verdict(place, item, "expected"),
        worst=_number(place, item, "worst"),
        cases=_count(place, item, "cases"),
        counterexample=None if item["counterexample"] is None else _text(place, item, "counterexample"),
        undecided=_count(place, item, "undecided"),
    )


def _text(place: str, item: dict[str, Any], key: str) -> str:
    value = item[key]
    if not isinstance(value, str):
        raise InvalidFileError(f"{place}: '{key}' is {value!r}; expected a text.")
    return value


def _verdict(place: str, item: dict[str, Any], key: str) -> Verdict:
    valid = [verdict.value for verdict in Verdict]
    if item[key] not in valid:
        raise InvalidFileError(f"{place}: '{key}' is {item[key]!r}; expected one of {valid}.")
    return Verdict(item[key])


def _number(place: str, item: dict[str, Any], key: str) -> float:
    value = item[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidFileError(f"{place}: '{key}' is {value!r}; expected a finite number.")
    return float(value)


def _count(place: str, item: dict[str, Any], key: str) -> int:
    value = item[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidFileError(f"{place}: '{key}' is {value!r}; expected an integer >= 0.")
    return value
