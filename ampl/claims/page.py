"""The page of all claims, made from the records of a run: `python -m ampl.claims.page CLAIMS.json PAGE.md`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ampl.claims.cases import find_cases
from ampl.claims.claim import Claim, Relation
from ampl.claims.record import ClaimRecord, Verdict, read_claims
from ampl.claims.registry import find_claims, verdict_in_words
from ampl.claims.statements import STATEMENTS, Statement, statement_records
from ampl.errors import AmplError, UnknownNameError
from ampl.files import SIGNATURE, check_replaceable, write_text
from ampl.printing import one_line, print_note

_USAGE = "usage: python -m ampl.claims.page CLAIMS.json PAGE.md"
_LEGEND = [
    "*worst* is, over all cases, the largest ratio left/right of an inequality (right/left where both are negative;",
    "above 1: contradicted; 1e+12: left is larger and the signs leave no ratio) or the largest difference of an",
    "equality's sides, divided by the larger side where that exceeds 1.",
    "Where a claim says that a value of either sign is at least another, and does not name its sides, left is 1 and",
    "right is 1 plus the first less the second, in a unit of the case's own (r_max + α, say).",
    "",
    "*cases* are all that were decided, those included where an inequality says nothing because its right side is",
    "infinite, as D_π can be; `ampl verify` prints how many these are.",
    "",
    "The statements of CQL, COMBO, MOReL, RAMBO, OptiDICE and AlgaeDICE are given as remembered, for no copy of these",
    "papers was at hand: *as printed* means, of theirs, as written here.",
]


def claims_markdown(records: Sequence[ClaimRecord], claims: Mapping[str, Claim]) -> str:
    """The records as a Markdown page: the papers' statements, one row a claim, then the conditions.

    Raises:
        UnknownNameError: a record of a claim that this version does not have.
    """
    for record in records:
        if record.claim not in claims:
            raise UnknownNameError("claim", record.claim, claims)
    rows = [
        f"| `{record.claim}` | {_cell(claims[record.claim].statement)} | {_cell(record.source)} "
        f"| {claims[record.claim].kind} | **{verdict_in_words(record.claim, record.verdict)}** "
        f"| {worst_in_words(claims[record.claim], record.worst)} | {record.cases:,} |"
        for record in records
    ]
    conditions = [
        f"- `{record.claim}`: {claims[record.claim].condition}."
        for record in records
        if record.verdict is Verdict.HOLDS_WITH_CONDITION
    ]
    return "\n".join(
        [
            f"<!-- {SIGNATURE}: written by ampl verify -->",
            "# Claims, as measured",
            "",
            *_tried(records, claims),
            "",
            "## Numbered statements of the papers",
            "",
            statements_table(records),
            "",
            "## All claims",
            "",
            *_LEGEND,
            "",
            "| claim | statement | source | on | verdict | worst | cases |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "Conditions under which the conditional ones hold:",
            "",
            *conditions,
            "",
            *_undecided(records),
        ]
    )


def _tried(records: Sequence[ClaimRecord], claims: Mapping[str, Claim]) -> list[str]:
    """One line a kind of cases: how many claims and cases, and what came of it."""
    by_kind: dict[str, list[ClaimRecord]] = {}
    for record in records:
        by_kind.setdefault(claims[record.claim].kind, []).append(record)
    return [
        f"- *{kind}*: `ampl verify` tried {len(own)} claims on up to {max(record.cases for record in own):,} "
        f"{find_cases(kind).noun} each: {_counts(own)}."
        for kind, own in by_kind.items()
    ]


def statements_table(records: Sequence[ClaimRecord]) -> str:
    """One row a numbered statement: what it says, and the verdicts of the claims that check it."""
    rows = [_statement_row(statement, statement_records(statement, records)) for statement in STATEMENTS]
    return "\n".join(["| statement | says | checked by |", "|---|---|---|", *rows])


def worst_in_words(claim: Claim, value: float) -> str:
    """The worst value with its unit."""
    unit = "off by" if claim.relation is Relation.EQUAL else "ratio"
    return f"{unit} {value:.4g}" if value >= 1e-3 else f"{unit} {value:.0e}"


def main(arguments: Sequence[str]) -> int:
    """Writes the page; returns the exit code, 2 for bad arguments or files (with one line to standard error)."""
    if len(arguments) != 2:
        print(_USAGE, file=sys.stderr)
        return 2
    source, page = map(Path, arguments)
    try:
        records = read_claims(source)
        check_replaceable(page)
        write_text(page, claims_markdown(records, find_claims()))
    except AmplError as error:
        print_note(one_line(str(error)))
        return 2
    return 0


def _statement_row(statement: Statement, records: Sequence[ClaimRecord]) -> str:
    own = [record for record in records if record.source.startswith(statement.paper)]
    ours = [record for record in records if record not in own]
    checked = [_verdicts(own)] if own else []
    if ours:
        checked.append(f"findings: {_verdicts(ours)}")
    if not checked:
        checked.append("definition" if statement.is_definition else "not checked")
    also = ", ".join(statement.numbers[1:])
    name = f"{statement.label} ({also})" if also else statement.label
    return f"| {name} | {_cell(statement.content)} | {'; '.join(checked)} |"


def _verdicts(records: Sequence[ClaimRecord]) -> str:
    return ", ".join(f"`{record.claim}` **{record.verdict}**" for record in records)


def _counts(records: Sequence[ClaimRecord]) -> str:
    counted = {verdict: sum(record.verdict is verdict for record in records) for verdict in Verdict}
    counts = (
        f"{counted[Verdict.HOLDS]} hold, {counted[Verdict.HOLDS_WITH_CONDITION]} hold with a condition, "
        f"{counted[Verdict.FAILS_AS_PRINTED]} fail as printed"
    )
    return f"{counts}, {counted[Verdict.NOT_DECIDED]} were not decided" if counted[Verdict.NOT_DECIDED] else counts


def _undecided(records: Sequence[ClaimRecord]) -> list[str]:
    """How many cases were not decided, claim by claim; no lines if every case was decided."""
    rows = [
        f"- `{record.claim}`: {record.undecided:,} of {record.cases + record.undecided:,} cases."
        for record in records
        if record.undecided
    ]
    reason = [
        "A case is not decided where rounding in float64 may be larger than the difference that the verdict depends",
        "on, as in DAMO's inner problem where the discount is next to one, or where samples leave it open. Such a case",
        "counts neither for the claim nor against it:",
    ]
    return ["## Cases that were not decided", "", *reason, "", *rows, ""] if rows else []


def _cell(text: str) -> str:
    """Text for a Markdown table, where a bar would end the cell."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
