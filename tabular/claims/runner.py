"""Tries every claim on every case, over several processes, and turns the tallies into records.

The result does not depend on the number of processes: cases are named by specifications, and tallies are merged in
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ampl.claims import ClaimRecord
from ampl.errors import AmplError, InvalidFileError, NotConvergedError
from ampl.files import check_replaceable
from ampl.processes import map_in_processes
from tabular.claims.case import load_case, save_case
from tabular.claims.claim import Claim, Measurement, Size, Tally, Undecided
from tabular.claims.families import FAMILIES, CaseSpec, build_case
from tabular.claims.registry import CLAIMS
from tabular.mdps.environments import ENVIRONMENTS
from tabular.mdps.mdp import FiniteMDP

Tallies = dict[str, Tally]
_CHUNK = 100  # generated cases a task of the process pool


def case_specs(n_random: int, n_each: int, n_environment: int, seed: int) -> list[CaseSpec]:
    """Specifications of random cases, of each adversarial family, and of each toy-text environment."""
    environments = [("taxi", max(1, n_environment // 4))]
    environments += [(name, n_environment) for name in ENVIRONMENTS if name != "taxi"]
    generated = [("fork", n_each), ("detour", n_each), ("chain", n_each), ("grid", max(1, n_each // 4))]
    families = [*environments, *generated, ("random", n_random)]
    return [CaseSpec(family=name, index=index, seed=seed) for name, count in families for index in range(count)]


def run_claims(
    claims: Sequence[Claim], specs: Sequence[CaseSpec], workers: int, advance: Callable[[int], None]
) -> Tallies:
    """Measures every claim on every case.

    Args:
        claims: what to check.
        specs: what to check it on.
        workers: processes; 1 stays in this one.
        advance: called with the number of cases just finished.
    """
    names = tuple(claim.name for claim in claims)
    tasks = [(names, start, tuple(specs[start : start + size])) for start, size in _chunks(specs)]
    tallies: Tallies = {name: Tally() for name in names}
    for task, result in zip(tasks, map_in_processes(_measure_chunk, tasks, workers), strict=True):
        tallies = {name: tallies[name].merge(result[name]) for name in names}
        advance(len(task[2]))
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
            extra = {"claim": np.array(claim.name), "recorded": np.float64(tally.worst)}
            save_case(paths[claim.name], build_case(specs[tally.worst_index]), extra)
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


def replay(path: Path) -> tuple[Claim, Measurement, float]:
    """Reruns a saved worst case: its claim, both sides measured afresh, and the value that was recorded.

    Raises:
        InvalidFileError: not a saved case, or of a claim that no longer exists.
        NotConvergedError: float64 cannot decide the claim on it.
    """
    case, arrays = load_case(path, ("claim", "recorded"))
    name = str(arrays["claim"])
    if name not in CLAIMS:
        raise InvalidFileError(f"{path} was saved for the claim '{name}', which this version does not have.")
    measurement = CLAIMS[name].assess(case)
    if measurement is None:
        raise InvalidFileError(f"{path}: the claim '{name}' does not apply to the saved case.")
    if isinstance(measurement, Undecided):
        raise NotConvergedError(f"{path}: float64 cannot decide the claim '{name}' on it: {measurement.reason}")
    return CLAIMS[name], measurement, float(arrays["recorded"])


def _chunks(specs: Sequence[CaseSpec]) -> Iterable[tuple[int, int]]:
    """(start, size) of tasks: environments one by one because they are large, generated cases by the hundred."""
    start = 0
    while start < len(specs):
        size = _CHUNK if specs[start].family in FAMILIES else 1
        yield start, min(size, len(specs) - start)
        start += size


def _measure_chunk(task: tuple[tuple[str, ...], int, tuple[CaseSpec, ...]]) -> Tallies:
    names, start, specs = task
    claims: Mapping[str, Claim] = {name: CLAIMS[name] for name in names}
    tallies: Tallies = {name: Tally() for name in names}
    for offset, spec in enumerate(specs):
        for name, (measurement, size) in _assessed(claims, spec).items():
            tallies[name] = tallies[name].add(claims[name], measurement, start + offset, size)
    return tallies


def _assessed(claims: Mapping[str, Claim], spec: CaseSpec) -> dict[str, tuple[Measurement | Undecided, Size]]:
    """What the case says about each claim that applies to it."""
    try:
        case = build_case(spec)
    except AmplError as error:  # its policies come from an optimal one
        return {name: (Undecided(reason=str(error)), (False, 1, 1, 1)) for name in claims}
    found = {name: claim.assess(case) for name, claim in claims.items()}
    size = _size(case.mdp)
    return {name: (measurement, size) for name, measurement in found.items() if measurement is not None}


def _size(mdp: FiniteMDP) -> Size:
    dynamics: Any = mdp.dynamics
    n_transitions = dynamics.nnz if mdp.is_sparse else np.count_nonzero(dynamics)  # sparse ones store no zeros
    return not mdp.reward.any(), mdp.n_states, mdp.n_actions, int(n_transitions)
