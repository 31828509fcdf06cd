"""The page of all claims, made from the records of a run: `python -m tabular.claims.page CLAIMS.json PAGE.md [README]`.

With a third file, the table of numbered statements is put into it between the two marker lines.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ampl.claims import ClaimRecord, Verdict, read_claims
from ampl.errors import AmplError, InvalidFileError, UnknownNameError
from ampl.files import SIGNATURE, check_replaceable, write_text
from ampl.printing import one_line, print_note
from tabular.claims.claim import Claim, Relation
from tabular.claims.registry import CLAIMS
from tabular.claims.statements import STATEMENTS, Statement, statement_records

BEGIN = "<!-- statements: begin (python -m tabular.claims.page) -->"
END = "<!-- statements: end -->"
_USAGE = "usage: python -m tabular.claims.page CLAIMS.json PAGE.md [FILE_WITH_MARKERS.md]"


def claims_markdown(records: Sequence[ClaimRecord]) -> str:
    """The records as a Markdown page: the papers' statements, one row a claim, then the conditions.

    Raises:
        UnknownNameError: a record of a claim that this version does not have.
    """
    for record in records:
        if record.claim not in CLAIMS:
            raise UnknownNameError("claim", record.claim, CLAIMS)
    rows = [
        f"| `{record.claim}` | {_cell(CLAIMS[record.claim].statement)} | {_cell(record.source)} | **{record.verdict}** "
        f"| {worst_in_words(CLAIMS[record.claim], record.worst)} | {record.cases:,} |"
        for record in records
    ]
    conditions = [
        f"- `{record.claim}`: {CLAIMS[record.claim].condition}."
        for record in records
        if record.verdict is Verdict.HOLDS_WITH_CONDITION
    ]
    most = max((record.cases for record in records), default=0)
    return "\n".join(
        [
            f"<!-- {SIGNATURE}: written by ampl verify -->",
            "# Claims, as measured",
            "",
            f"`ampl verify` tried {len(records)} claims on up to {most:,} finite MDPs each: {_counts(records)}.",
            "",
            "## Numbered statements of the three papers",
            "",
            statements_table(records),
            "",
            "## All claims",
            "",
            "*worst* is the largest left/right ratio of an inequality (above 1: contradicted) or the largest relative",
            "difference of an equality, over all cases.",
            "",
            "| claim | statement | source | verdict | worst | cases |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "Conditions under which the conditional ones hold:",
            "",
            *conditions,
            "",
            *_undecided(records),
        ]
    )


def statements_table(records: Sequence[ClaimRecord]) -> str:
    """One row a numbered statement: what it says, and the verdicts of the claims that check it."""
    rows = [_statement_row(statement, statement_records(statement, records)) for statement in STATEMENTS]
    return "\n".join(["| statement | says | checked by |", "|---|---|---|", *rows])


def with_statements(text: str, table: str) -> str:
    """A text with the table between its marker lines, in the place of what stood there.

    Raises:
        InvalidFileError: the text does not have each marker once, in order.
    """
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise InvalidFileError(f"the markers are missing or repeated; expected a line '{BEGIN}' and later '{END}'.")
    return f"{before}{begin}{table}\n{end}{after}"


def worst_in_words(claim: Claim, value: float) -> str:
    """The worst value with its unit."""
    unit = "off by" if claim.relation is Relation.EQUAL else "ratio"
    return f"{unit} {value:.4g}" if value >= 1e-3 else f"{unit} {value:.0e}"


def main(arguments: Sequence[str]) -> int:
    """Writes the page; returns the exit code, 2 for bad arguments or files (with one line to standard error)."""
    if len(arguments) not in (2, 3):
        print(_USAGE, file=sys.stderr)
        return 2
    source, page, *others = map(Path, arguments)
    try:
        records = read_claims(source)
        check_replaceable(page)
        text = claims_markdown(records)
        changed = [(path, with_statements(_text(path), statements_table(records))) for path in others]
        write_text(page, text)
        for path, content in changed:
            write_text(path, content)
    except AmplError as error:
        print_note(one_line(str(error)))
        return 2
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFileError(f"cannot read {path}: {error}.") from error


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
    """Which cases count for nothing; no lines if every case was decided."""
    rows = [f"- `{record.claim}`: {record.undecided:,}." for record in records if record.undecided]
    return ["Cases that float64 could not decide, which count for nothing:", "", *rows, ""] if rows else []


def _cell(text: str) -> str:
    """Text for a Markdown table, where a bar would end the cell."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
