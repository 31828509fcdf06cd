"""Tries every claim on every case, over several processes, and turns the tallies into records.

The result does not depend on the number of processes: cases are named by specifications, and tallies are merged in
order.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ampl.claims.cases import CaseSource, CaseSpec, find_cases
from ampl.claims.claim import Claim, Measurement, Size, Tally, Undecided
from ampl.claims.record import ClaimRecord
from ampl.claims.registry import find_claims
from ampl.errors import AmplError, InvalidFileError, NotConvergedError
from ampl.files import check_replaceable, read_npz
from ampl.processes import map_in_processes

Tallies = dict[str, Tally]
SAVED = ("claim", "recorded")  # besides the case: the claim's name and the value that was measured
_CHUNK = 25  # cases a task of the process pool


def run_claims(
    claims: Sequence[Claim],
    specs: Sequence[CaseSpec],
    workers: int,
    advance: Callable[[int], None],
    file: Path | None = None,
) -> Tallies:
    """Measures every claim on every case of its kind.

    Args:
        claims: what to check.
        specs: what to check it on.
        workers: processes; 1 stays in this one.
        advance: called with the number of cases just finished.
        file: where some of the claims are defined, if packages do not announce them all.
    """
    names = tuple(claim.name for claim in claims)
    tasks = [(file, names, start, tuple(specs[start : start + size])) for start, size in _chunks(specs)]
    tallies: Tallies = {name: Tally() for name in names}
    mixed = any(not spec.is_large for spec in specs)
    finished = 0  # large cases, which come first: their pace tells nothing about that of the others
    for task, result in zip(tasks, map_in_processes(_measure_chunk, tasks, workers), strict=True):
        tallies = {name: tallies[name].merge(result[name]) for name in names}
        finished += len(task[3])
        if not (mixed and task[3][0].is_large):
            advance(finished)
            finished = 0
    advance(finished)
    return tallies


def case_paths(claims: Sequence[Claim], folder: Path) -> dict[str, Path]:
    """Where each claim's worst case is saved; raises ForeignFileError if one of them holds something else."""
    paths = {claim.name: folder / f"{claim.name}.npz" for claim in claims}
    for path in paths.values():
        check_replaceable(path)
    return paths


def records(claims: Sequence[Claim], tallies: Tallies, specs: Sequence[CaseSpec], folder: Path) -> list[ClaimRecord]:
    """One record a claim that applied to any case; its worst case, if any was decided, is saved below `folder`."""
    paths = case_paths(claims, folder)
    found = []
    for claim in claims:
        tally = tallies[claim.name]
        if not tally.cases + tally.undecided:
            continue
        if tally.cases:
            source = find_cases(claim.kind)
            extra = {"claim": np.array(claim.name), "recorded": np.float64(tally.worst)}
            source.save(paths[claim.name], source.build(specs[tally.worst_index]), extra)
        found.append(
            ClaimRecord(
                claim=claim.name,
                source=claim.source,
                verdict=tally.verdict,
                expected=claim.expected,
                worst=tally.worst if tally.cases else 0.0,
                cases=tally.cases,
                counterexample=str(paths[claim.name]) if tally.cases else None,
                undecided=tally.undecided,
            )
        )
    return found


def replay_command(case: str, file: Path | None) -> str:
    """What measures a saved case again.

    Args:
        case: its file, as a shell takes it.
        file: where some of the claims are defined.
    """
    return f"ampl verify --replay {case}" + (f" --claims-from {shlex.quote(str(file))}" if file else "")


def replay(path: Path, claims: Mapping[str, Claim]) -> tuple[Claim, Measurement, float]:
    """Reruns a saved worst case: its claim, both sides measured afresh, and the value that was recorded.

    Raises:
        InvalidFileError: not a saved case, or of a claim that there is not.
        NotConvergedError: the claim cannot be decided on it.
    """
    name = str(read_npz(path, "a case saved by ampl verify", SAVED)["claim"])
    if name not in claims:
        raise InvalidFileError(
            f"{path} was saved for the claim '{name}', which this version does not have; "
            "if it is your own, name its file with --claims-from."
        )
    case, arrays = find_cases(claims[name].kind).load(path, SAVED)
    measurement = claims[name].assess(case)
    if measurement is None:
        raise InvalidFileError(f"{path}: the claim '{name}' does not apply to the saved case.")
    if isinstance(measurement, Undecided):
        raise NotConvergedError(f"{path}: float64 cannot decide the claim '{name}' on it: {measurement.reason}")
    return claims[name], measurement, float(arrays["recorded"])


def _chunks(specs: Sequence[CaseSpec]) -> Iterator[tuple[int, int]]:
    """(start, size) of tasks: large cases one by one, others many at once."""
    start = 0
    while start < len(specs):
        size = 1
        while (
            size < _CHUNK
            and start + size < len(specs)
            and not any(spec.is_large for spec in (specs[start], specs[start + size]))
        ):
            size += 1
        yield start, size
        start += size


def _measure_chunk(task: tuple[Path | None, tuple[str, ...], int, tuple[CaseSpec, ...]]) -> Tallies:
    file, names, start, specs = task
    claims: Mapping[str, Claim] = {name: find_claims(file)[name] for name in names}
    sources = {kind: find_cases(kind) for kind in {spec.kind for spec in specs}}  # a look-up takes longer than a case
    tallies: Tallies = {name: Tally() for name in names}
    for offset, spec in enumerate(specs):
        for name, (measurement, size) in _assessed(claims, spec, sources[spec.kind]).items():
            tallies[name] = tallies[name].add(claims[name], measurement, start + offset, size)
    return tallies


def _assessed(
    claims: Mapping[str, Claim], spec: CaseSpec, source: CaseSource
) -> dict[str, tuple[Measurement | Undecided, Size]]:
    """What the case says about each claim that applies to it."""
    applicable = {name: claim for name, claim in claims.items() if claim.kind == spec.kind}
    try:
        case = source.build(spec)
    except AmplError as error:  # of finite MDPs: their policies come from an optimal one
        return {name: (Undecided(reason=str(error)), ()) for name in applicable}
    found = {name: claim.assess(case) for name, claim in applicable.items()}
    return {name: (measurement, case.size) for name, measurement in found.items() if measurement is not None}
