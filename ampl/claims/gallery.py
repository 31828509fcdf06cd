"""The gallery of counterexamples: for each claim that does not simply hold the smallest case against it, drawn.

Each case is saved so that `ampl verify --replay` measures it again. The drawing comes from `ampl.drawings`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ampl.claims.cases import Case, CaseSpec, find_cases
from ampl.claims.claim import Claim, Measurement, Relation
from ampl.claims.record import ClaimRecord
from ampl.claims.registry import find_claims, verdict_in_words
from ampl.claims.runner import Tallies, replay_command
from ampl.drawings import Drawing, find_drawing
from ampl.errors import InvalidArgumentError
from ampl.files import SIGNATURE, check_output_folder, check_replaceable, write_bytes, write_text
from ampl.markdown import as_code
from ampl.processes import map_in_processes

_INDEX = "index.md"


def check_gallery(folder: Path, claims: Sequence[Claim]) -> None:
    """Whether the gallery can be written to `folder`; to be called before the work starts.

    Raises:
        InvalidArgumentError: `folder` is a file.
        InvalidFileError: it cannot be written to.
        ForeignFileError: something that is not ours has the name of one of the gallery's files.
        UnknownNameError, BrokenEntryPointError: no package has the drawing.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidArgumentError(f"{folder} is a file; expected a folder. Choose another --gallery.")
    check_output_folder(folder)
    for name in (_INDEX, *(f"{claim.name}{suffix}" for claim in claims for suffix in (".npz", ".png"))):
        check_replaceable(folder / name)
    for claim in claims:
        _drawing(claim)


def write_gallery(
    folder: Path,
    claims: Sequence[Claim],
    records: Sequence[ClaimRecord],
    tallies: Tallies,
    specs: Sequence[CaseSpec],
    workers: int,
    file: Path | None = None,
) -> list[Claim]:
    """Writes CLAIM.npz and, if its cases have a drawing, CLAIM.png for each counterexample, and the index page.

    Args:
        folder: where to.
        claims: of the run.
        records: of the run.
        tallies: of the run; they point into `specs`.
        specs: of the run.
        workers: processes that look for simpler cases; the result does not depend on it.
        file: where some of the claims are defined.

    Returns:
        The claims in the gallery.
    """
    by_name = {record.claim: record for record in records}
    found = {claim.name: tallies[claim.name].counterexample for claim in claims if claim.name in by_name}
    tasks = [(file, name, specs[index]) for name, index in found.items() if index is not None]
    shown = [claim for claim in claims if found.get(claim.name) is not None]
    sections = []
    for claim, case in zip(shown, map_in_processes(_smallest_case, tasks, workers), strict=True):
        sections.append(_write_one(folder, claim, by_name[claim.name], case, file))
    write_text(folder / _INDEX, _index(sections))
    return shown


def _drawing(claim: Claim) -> Drawing | None:
    name = find_cases(claim.kind).drawing
    return None if name is None else find_drawing(name)


def _smallest_case(task: tuple[Path | None, str, CaseSpec]) -> Case:
    file, name, spec = task
    source = find_cases(spec.kind)
    return source.shrink(find_claims(file)[name], source.build(spec))


def _write_one(folder: Path, claim: Claim, record: ClaimRecord, case: Case, file: Path | None) -> list[str]:
    """Saves and draws one case; returns its section of the index."""
    measurement = claim.assess(case)
    assert isinstance(measurement, Measurement)  # shrinking keeps the claim applicable
    path, picture = folder / f"{claim.name}.npz", folder / f"{claim.name}.png"
    extra = {"claim": np.array(claim.name), "recorded": np.float64(claim.value(measurement))}
    find_cases(claim.kind).save(path, case, extra)
    facts = _facts(claim, measurement, path, file)
    headline = f"{claim.name}: {verdict_in_words(claim.name, record.verdict)}"
    draw = _drawing(claim)
    if draw is None:
        facts["case"] = f"{case.in_words} (no drawing)"
        return [f"## {headline}", "", *_list_items(facts), ""]
    write_bytes(picture, draw(path, headline, facts))
    return [f"## {headline}", "", *_list_items(facts), "", f"![{claim.name}: {case.in_words}]({picture.name})", ""]


def _facts(claim: Claim, measurement: Measurement, path: Path, file: Path | None = None) -> dict[str, str]:
    """What is written beside the picture."""
    facts = {"claim": claim.statement, "source": claim.source}
    if claim.condition:
        met = "met here" if measurement.condition_met else "not met here"
        facts["condition"] = f"{claim.condition} ({met})"
    facts["this case"] = _sides(claim, measurement)
    if measurement.settings:
        facts["with"] = measurement.settings
    facts["rerun"] = replay_command(shlex.quote(str(path)), file)
    return facts


def _sides(claim: Claim, measurement: Measurement) -> str:
    broken = {Relation.AT_MOST: ">", Relation.BELOW: "≥", Relation.EQUAL: "≠"}[claim.relation]
    left, right = f"{measurement.left:.6g}", f"{measurement.right:.6g}"
    if left == right and broken != "≥":  # a difference that six digits do not show
        left, right = f"{measurement.left:.15g}", f"{measurement.right:.15g}"
    sides = f"left {left} {broken} right {right}"
    if claim.relation is Relation.EQUAL or measurement.right <= 0.0:
        return sides
    return f"{sides}, a ratio of {claim.value(measurement):.4g}"


def _list_items(facts: Mapping[str, str]) -> Iterator[str]:
    for label, text in facts.items():
        yield f"- {label}: {as_code(text)}" if label == "rerun" else f"- {label}: {text.replace('|', chr(92) + '|')}"


def _index(sections: Sequence[Sequence[str]]) -> str:
    lines = [
        f"<!-- {SIGNATURE}: written by ampl verify --gallery -->",
        "# Counterexamples",
        "",
        "For each claim that fails as printed or holds only with a condition: the smallest case found that contradicts",
        "it. An MDP had the fewest states, actions and transitions among all violations of the run; then it was",
        "simplified step by step as long as the claim stayed as false. Numbers on arrows are P* | P̂, one where both",
        "agree. A linear-Gaussian problem had the fewest coordinates; it is as it was found, and not drawn.",
        "",
        *(["Nothing was contradicted.", ""] if not sections else []),
    ]
    return "\n".join([*lines, *(line for section in sections for line in section)])
