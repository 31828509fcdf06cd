"""What `ampl verify` shows and leaves behind: the table, the Markdown page and the replay of one case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ampl.claims.cases import find_cases
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.claims.page import claims_markdown, worst_in_words
from ampl.claims.record import ClaimRecord, Verdict, check_claims_output, write_claims
from ampl.claims.registry import verdict_in_words
from ampl.claims.runner import Tallies, replay_command
from ampl.files import check_output, write_text
from ampl.printing import WIDE, literal_console, print_line, styled

_COLORS = {
    Verdict.HOLDS: "green",
    Verdict.HOLDS_WITH_CONDITION: "yellow",
    Verdict.FAILS_AS_PRINTED: "red",
    Verdict.NOT_DECIDED: "magenta",
}
_RECORDS, _PAGE = "claims.json", "claims.md"


def print_table(
    claims: Mapping[str, Claim], records: Sequence[ClaimRecord], surprises: Sequence[ClaimRecord], title: str
) -> None:
    """One row a claim; a verdict that surprises is marked, and undecided cases get a column if there are any."""
    table = Table(title=title, title_justify="left")
    has_undecided = any(record.undecided for record in records)
    for name in ("claim", "source", "on", "verdict", "worst", "cases", *(["not decided"] if has_undecided else [])):
        is_number = name in ("worst", "cases", "not decided")
        table.add_column(name, justify="right" if is_number else "left", no_wrap=name != "source")
    for record in records:
        verdict, expected = (verdict_in_words(record.claim, each) for each in (record.verdict, record.expected))
        surprise = f" (expected: {expected})" if record in surprises else ""
        shown = styled((verdict, _COLORS[record.verdict]), (surprise, "bold"))
        claim = claims[record.claim]
        worst = worst_in_words(claim, record.worst) if record.cases else ""
        undecided = [f"{record.undecided:,}"] if has_undecided else []
        table.add_row(record.claim, record.source, claim.kind, shown, worst, f"{record.cases:,}", *undecided)
    literal_console(WIDE).print(table)


def summarize(
    claims: Mapping[str, Claim],
    records: Sequence[ClaimRecord],
    surprises: Sequence[ClaimRecord],
    tallies: Tallies,
    folder: Path,
    file: Path | None = None,
) -> int:
    """Prints what stands out and how to look at it; returns the exit code: 1 for a surprise, or if nothing is decided.

    Args:
        claims: all that were tried, by name.
        records: of those that applied to a case.
        surprises: records whose verdict is not the expected one.
        tallies: of the run, by claim.
        folder: where the worst cases are.
        file: where some of the claims are defined.
    """
    out = literal_console(WIDE)
    skipped = [name for name in claims if name not in {record.claim for record in records}]
    if skipped:
        out.print(f"Not applicable to these cases (too large for it, or not what it speaks of): {', '.join(skipped)}.")
    for record in records:
        if record.verdict not in (Verdict.HOLDS, Verdict.NOT_DECIDED):
            for line in _counterexample(claims[record.claim], record):
                out.print(line)
    for record in records:
        if record.undecided:
            tried = record.cases + record.undecided
            count = f"not decided: {record.undecided:,} of {tried:,} cases, which count for nothing"
            out.print(f"{record.claim}: {count} ({tallies[record.claim].reason})")
    vacuous = {name: tally for name, tally in tallies.items() if tally.vacuous}
    if vacuous:
        shares = ", ".join(f"{name} on {tally.vacuous:,} of {tally.cases:,} cases" for name, tally in vacuous.items())
        out.print(f"Vacuous, for the right side is infinite: {shares}.")
    if not records:
        out.print("Nothing was checked: no claim applies to these cases.")
        return 1
    is_decided = any(record.cases for record in records)
    if is_decided:
        print_line(f"Worst cases: {folder}/<claim>.npz; look at one with `{replay_command('FILE', file)}`.")
    else:
        out.print("Nothing was decided: no case decides any of these claims.")
    for record in surprises:
        verdict, expected = (verdict_in_words(record.claim, each) for each in (record.verdict, record.expected))
        out.print(styled((f"{record.claim}: {verdict}, expected {expected}", "bold red")))
    return 1 if surprises or not is_decided else 0


def _counterexample(claim: Claim, record: ClaimRecord) -> list[str | Text]:
    """What the claim needs, and the worst case found: its size and both sides."""
    needs = f"holds if {claim.condition}" if claim.condition else verdict_in_words(claim.name, record.verdict)
    name = styled((claim.name, _COLORS[record.verdict]), (f": {claim.statement}", ""))
    lines: list[str | Text] = [name, f"    {needs}"]
    if record.counterexample:
        case, _ = find_cases(claim.kind).load(Path(record.counterexample))
        measurement = claim.assess(case)
        if isinstance(measurement, Measurement):
            sides = f"{measurement.left:.4g}, against {measurement.right:.4g}"
            label = "without" if claim.condition and not measurement.condition_met else "worst"
            lines.append(f"    {label}: {case.family}, {case.in_words}: {sides}")
    return lines


def print_replay(path: Path, claim: Claim, measurement: Measurement, recorded: float) -> int:
    """Prints both sides of a claim on a saved case; returns 0 if the recorded value came out again, else 1."""
    value = claim.value(measurement)
    met = "met" if measurement.condition_met else "not met"
    measure = "difference" if claim.relation is Relation.EQUAL else "ratio"
    lines = [
        f"{claim.name} ({claim.source}) on {path}",
        f"  claim:      {claim.statement}",
        f"  left {claim.relation.value} right: {measurement.left:.12g} {claim.relation.value} {measurement.right:.12g}",
        f"  {measure + ':':<11} {value:.12g} (recorded {recorded:.12g})",
        f"  this case:  {'contradicts the claim' if claim.is_violated(measurement) else 'agrees with the claim'}",
    ]
    if measurement.settings:
        lines.append(f"  with:       {measurement.settings}")
    if claim.condition:
        lines.append(f"  condition:  {claim.condition}: {met}")
    for line in lines:
        print_line(line)
    return 0 if abs(value - recorded) <= 1e-6 * max(1.0, abs(recorded)) else 1


def print_gallery(folder: Path, claims: Sequence[Claim]) -> None:
    """Says which counterexamples were saved and where, and which of them are not drawn."""
    names = [claim.name for claim in claims]
    undrawn = [claim.name for claim in claims if find_cases(claim.kind).drawing is None]
    noun = "counterexample" if len(names) == 1 else "counterexamples"
    drawn = f"{len(names)} {noun} ({', '.join(names)})" if names else "no counterexample"
    print_line(f"Gallery: {drawn}; look at {folder}/index.md.")
    if undrawn:
        print_line(f"Without a picture, for only finite MDPs are drawn: {', '.join(undrawn)}.")


def check_report(folder: Path) -> None:
    """Raises ForeignFileError or InvalidFileError if `write_report` could not write into `folder`."""
    check_claims_output(folder / _RECORDS)
    check_output(folder / _PAGE)


def write_report(folder: Path, records: Sequence[ClaimRecord], claims: Mapping[str, Claim]) -> None:
    """Writes claims.json and claims.md into `folder`."""
    check_report(folder)
    write_claims(folder / _RECORDS, records)
    write_text(folder / _PAGE, claims_markdown(records, claims))
