"""Claim records: written and read back alike; every mistake in a file is named with its index and key."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ampl.claims import ClaimRecord, Verdict, read_claims, write_claims
from ampl.errors import ForeignFileError, InvalidArgumentError, InvalidFileError

RECORD = ClaimRecord(
    claim="theorem-1",
    source="AMPL, Theorem 1",
    verdict=Verdict.HOLDS_WITH_CONDITION,
    expected=Verdict.HOLDS,
    worst=0.1,
    cases=12,
    counterexample="worst/theorem-1.npz",
)


def test_records_read_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    write_claims(path, [RECORD, ClaimRecord(**(vars(RECORD) | {"counterexample": None}))])
    write_claims(path, [RECORD])  # its own file is replaced
    assert read_claims(path) == [RECORD]


def test_the_file_has_exactly_the_agreed_keys(tmp_path: Path) -> None:
    write_claims(tmp_path / "claims.json", [RECORD])
    (item,) = json.loads((tmp_path / "claims.json").read_text())
    contracted = ["claim", "source", "verdict", "expected", "worst", "cases", "counterexample"]
    assert list(item) == [*contracted, "undecided"]
    assert (item["verdict"], item["expected"]) == ("holds with condition", "holds")


def test_files_from_before_undecided_cases_were_counted_are_read(tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    write_claims(path, [replace(RECORD, undecided=3)])
    (item,) = json.loads(path.read_text())
    assert item.pop("undecided") == 3
    path.write_text(json.dumps([item]))
    assert read_claims(path) == [RECORD]


def test_a_foreign_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("[1, 2]")
    with pytest.raises(ForeignFileError):
        write_claims(tmp_path / "mine.json", [RECORD])
    assert (tmp_path / "mine.json").read_text() == "[1, 2]"


def test_no_records_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError):
        write_claims(tmp_path / "claims.json", [])


@pytest.mark.parametrize("change", [{"worst": float("inf")}, {"worst": float("nan")}, {"cases": -1}])
def test_a_record_is_checked_when_built(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="theorem-1"):
        ClaimRecord(**(vars(RECORD) | change))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("claim", 1),
        ("source", None),
        ("verdict", "true"),
        ("expected", ["holds"]),
        ("worst", "0.1"),
        ("worst", True),
        ("worst", None),
        ("cases", 1.5),
        ("cases", -1),
        ("counterexample", 0),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "claims.json"
    write_claims(path, [RECORD, RECORD])
    items = json.loads(path.read_text())
    items[1][key] = value
    path.write_text(json.dumps(items))
    with pytest.raises(InvalidFileError, match=f"claim 1: '{key}'"):
        read_claims(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list"),
        ("[1]", "claim 0 is not an object"),
        ("[{}]", "claim 0 lacks 'claim'"),
        ("[", "not JSON"),
    ],
)
def test_a_file_of_another_shape_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "claims.json"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=message):
        read_claims(path)
    with pytest.raises(InvalidFileError, match="does not exist"):
        read_claims(tmp_path / "none.json")


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    write_claims(tmp_path / "claims.json", [RECORD])
    items = json.loads((tmp_path / "claims.json").read_text())
    (tmp_path / "claims.json").write_text(json.dumps([items[0] | {"mood": "good"}]))
    with pytest.raises(InvalidFileError, match="unknown key 'mood'"):
        read_claims(tmp_path / "claims.json")
