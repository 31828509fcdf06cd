"""The page of claims is what its records say; statements find their claims by source."""

from dataclasses import replace
from pathlib import Path

import pytest

from ampl.claims import ClaimRecord, Verdict, read_claims, write_claims
from ampl.claims.page import claims_markdown, main, statements_table
from ampl.claims.registry import find_claims
from ampl.claims.statements import PAPERS, STATEMENTS, numbers_in, statement_records
from ampl.errors import UnknownNameError

ROOT = Path(__file__).resolve().parents[3]
CLAIMS = find_claims()


def record(name: str, source: str | None = None, verdict: Verdict = Verdict.HOLDS) -> ClaimRecord:
    return ClaimRecord(
        claim=name,
        source=CLAIMS[name].source if source is None else source,
        verdict=verdict,
        expected=verdict,
        worst=0.5,
        cases=1234,
    )


def row(label: str, *records: ClaimRecord) -> str:
    return next(line for line in statements_table(records).splitlines() if line.startswith(f"| {label} "))


def test_the_page_in_docs_is_made_from_its_records() -> None:
    records = read_claims(ROOT / "docs/claims.json")
    assert (ROOT / "docs/claims.md").read_text(encoding="utf-8") == claims_markdown(records, CLAIMS)


def test_every_claim_about_a_paper_belongs_to_a_statement_of_it() -> None:
    known = {(statement.paper, number) for statement in STATEMENTS for number in statement.numbers}
    for claim in CLAIMS.values():
        named = numbers_in(claim.source)
        assert named <= known, claim.name
        assert bool(named) == any(f"{paper}, " in claim.source for paper in PAPERS), claim.name


def test_sources_name_numbers_ranges_and_parts() -> None:
    assert numbers_in("AMPL, Eqs. 14-16") == {("AMPL", "Eq. 14"), ("AMPL", "Eq. 15"), ("AMPL", "Eq. 16")}
    assert numbers_in("remedy for AMPL, Eqs. 10-11 (implied)") == {("AMPL", "Eq. 10"), ("AMPL", "Eq. 11")}
    assert numbers_in("MOPO, Lemma 4.1 as printed") == {("MOPO", "Lemma 4.1")}
    assert numbers_in("MOPO, section 4.1 (ii), states on a line") == {("MOPO", "section 4.1 (ii)")}
    assert numbers_in("DAMO, Lemmas A.3-A.5") == {("DAMO", f"Lemma A.{number}") for number in (3, 4, 5)}
    assert numbers_in("classical simulation lemma") == set()


def test_statements_are_numbered_once() -> None:
    """Sections may be shared: MOPO's Eqs. 3 and 6 are checked by the three metrics of section 4.1."""
    numbers = [
        (statement.paper, number)
        for statement in STATEMENTS
        for number in statement.numbers
        if not number.startswith("section")
    ]
    assert len(numbers) == len(set(numbers))


def test_rows_name_claims_with_verdicts_and_findings_apart() -> None:
    printed = record("theorem1-printed", verdict=Verdict.HOLDS_WITH_CONDITION)
    assert row("AMPL, Theorem 1", printed, record("theorem1-sharp")).endswith(
        "| `theorem1-printed` **holds with condition**; findings: `theorem1-sharp` **holds** |"
    )
    assert statement_records(STATEMENTS[1], [printed]) == []


def test_what_no_claim_covers_is_said_to_be_unchecked_or_a_definition() -> None:
    assert row("AMPL, Theorem 1").endswith("| not checked |")
    assert row("DAMO, Lemma A.3").endswith("| not checked |")
    assert row("AMPL, Eq. 2").endswith("| definition |")


def test_bars_do_not_split_cells() -> None:
    lines = claims_markdown([record(name) for name in CLAIMS], CLAIMS).splitlines()
    rows = [line.replace(r"\|", "") for line in lines if line.startswith("| ")]
    assert {line.count("|") for line in rows} == {4, 8}


def test_the_page_says_of_which_papers_no_copy_was_at_hand() -> None:
    page = " ".join(claims_markdown([record("chain-rule")], CLAIMS).splitlines())
    sentence = next(each for each in page.split(". ") if "as remembered" in each)
    assert [paper for paper in PAPERS if paper not in sentence] == ["AMPL", "MOPO", "DAMO"]


def test_a_record_of_an_unknown_claim_is_refused() -> None:
    known = record("chain-rule")
    stranger = ClaimRecord(
        claim="chain-rul", source="s", verdict=known.verdict, expected=known.expected, worst=0.0, cases=1
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'chain-rule'"):
        claims_markdown([stranger], CLAIMS)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    source, page = tmp_path / "claims.json", tmp_path / "claims.md"
    records = [record("chain-rule"), record("theorem1-sharp")]
    write_claims(source, records)
    assert main([str(source), str(page)]) == 0
    assert page.read_text(encoding="utf-8") == claims_markdown(records, CLAIMS)


def test_cases_that_were_not_decided_are_counted_by_claim() -> None:
    undecided = replace(record("damo-5.1"), undecided=7)
    assert "- `damo-5.1`: 7 of 1,241 cases." in claims_markdown([record("chain-rule"), undecided], CLAIMS).splitlines()
    assert "not decided" not in claims_markdown([record("chain-rule")], CLAIMS)


def test_the_command_refuses_bad_files_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, page = tmp_path / "claims.json", tmp_path / "claims.md"
    write_claims(source, [record("chain-rule")])
    page.write_text("mine")
    bad = [[], [str(tmp_path / "absent.json"), str(page)], [str(source), str(page)]]
    bad += [[str(source), str(tmp_path / "new.md"), "a third file"]]
    for arguments in bad:
        assert main(arguments) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert page.read_text() == "mine"
    assert not (tmp_path / "new.md").exists()
