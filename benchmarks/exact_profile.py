"""Where the exact wing's time goes, against what this machine could do: `python -m benchmarks.exact_profile`.

Claims: CPU seconds of one process by family of claims, on a sample of `ampl verify`'s cases. What claims share is
charged to the first that needs it, and computed once a case.

Sparse solves: seconds against a bound, the time in which this machine moves the bytes, or does the arithmetic, that the
method cannot do without. Iterative methods: every iteration reads its matrix twice and each vector as often as with one
pass a line of the algorithm. Direct methods: the arithmetic of the factorization and one pass over the factors.
Utilization is bound / seconds; where matrix and vectors fit into the cache it can exceed one. One thread throughout.
"""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from benchmarks.damo_inner import ALPHA, grid, setting
from benchmarks.records import command_line, print_table, write_record
from tabular.alignment.inner_minimum import inner_minimum, inner_minimum_closed_form
from tabular.bounds.divergences import ChiSquared
from tabular.claims.claim import Tally
from tabular.claims.families import CaseSpec, build_case
from tabular.claims.registry import CLAIMS
from tabular.claims.runner import case_specs
from tabular.exact import definite_systems, linear_solvers
from tabular.exact.linear_solvers import LinearSolution
from tabular.exact.occupancy import solve_state_occupancy
from tabular.exact.policy import uniform_policy
from tabular.mdps.grid_world import grid_world, shortest_path_policy

ROUNDS = 3
SIDES = (100, 316, 1000)  # cells a side; states are the square
_ENTRYWISE_SIDE = 100
_STREAM = 25_000_000  # numbers: 200 MB, beyond any cache
_GEMM = 1000
_THREADS = "OMP_NUM_THREADS"
_NONZERO = 8 + 4  # bytes of a value and its column
_VECTORS = 24  # passes over a vector in one BiCGSTAB iteration, products apart
_CLAIM_COLUMNS = ("family", "claims", "seconds", "share", "cases_per_second")
_SOLVE_COLUMNS = (
    "what",
    "unknowns",
    "method",
    "seconds",
    "iterations",
    "megabytes",
    "megaflop",
    "bound",
    "utilization",
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Bytes and floating-point operations a second that one thread reaches here."""

    bandwidth: float
    arithmetic: float

    def bound(self, n_bytes: float, n_operations: float = 0.0) -> float:
        """Seconds that these bytes and operations take at least."""
        return max(n_bytes / self.bandwidth, n_operations / self.arithmetic)


def main() -> None:
    """Measures everything, prints two tables and writes results/exact_profile.json."""
    command_line(__doc__).parse_args()
    if os.environ.get(_THREADS) != "1":  # linear algebra reads it when it is loaded
        command = [sys.executable, "-m", "benchmarks.exact_profile"]
        sys.exit(subprocess.run(command, env=os.environ | {_THREADS: "1"}, check=False).returncode)
    machine = measure_machine()
    claims = claim_rows(case_specs(300, 30, 1, seed=0))
    solves = [*(row for side in SIDES for row in grid_rows(side, machine)), *factor_rows(machine)]
    print_table(_CLAIM_COLUMNS, claims)
    print(f"\nbandwidth {machine.bandwidth / 1e9:.3g} GB/s, arithmetic {machine.arithmetic / 1e9:.3g} Gflop/s\n")
    print_table(_SOLVE_COLUMNS, solves)
    machine_row = {"what": "machine", "bandwidth": machine.bandwidth, "arithmetic": machine.arithmetic}
    print(f"wrote {write_record('exact_profile', [machine_row, *claims, *solves]).name}")


def measure_machine() -> Machine:
    """The best of several dot products beyond the cache, and of several matrix products within it."""
    first, second = np.ones(_STREAM), np.ones(_STREAM)
    stream, _ = best(lambda: np.einsum("i,i->", first, second), 3 * ROUNDS)
    matrix = np.ones((_GEMM, _GEMM))
    product, _ = best(lambda: matrix @ matrix, 3 * ROUNDS)
    return Machine(bandwidth=(first.nbytes + second.nbytes) / stream, arithmetic=2.0 * _GEMM**3 / product)


def claim_rows(specs: Sequence[CaseSpec]) -> list[dict[str, Any]]:
    """One row a family of claims, with its CPU seconds on all cases (best round), its share, and cases a second."""
    rounds = [_claim_seconds(specs) for _ in range(ROUNDS)]
    seconds = {family: min(each[family] for each in rounds) for family in rounds[0]}
    total = sum(seconds.values())
    counts = {family: sum(each == family for each in _FAMILIES.values()) for family in seconds}
    return [
        {
            "family": family,
            "claims": counts.get(family, len(CLAIMS)),
            "seconds": found,
            "share": found / total,
            "cases_per_second": len(specs) / found,
        }
        for family, found in [*sorted(seconds.items(), key=lambda item: -item[1]), ("all", total)]
    ]


def _claim_seconds(specs: Sequence[CaseSpec]) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    tallies = {name: Tally() for name in CLAIMS}
    for index, spec in enumerate(specs):
        start = time.process_time()
        case = build_case(spec)
        seconds["building cases"] += time.process_time() - start
        for name, claim in CLAIMS.items():
            start = time.process_time()
            measurement = claim.assess(case)
            if measurement is not None:
                tallies[name] = tallies[name].add(claim, measurement, index)
            seconds[_FAMILIES[name]] += time.process_time() - start
    return dict(seconds)


def _families() -> dict[str, str]:
    """The module that each claim comes from."""
    modules = [module for name, module in sys.modules.items() if name.startswith("tabular.claims.")]
    groups = [module for module in modules if isinstance(getattr(module, "CLAIMS", None), tuple)]
    return {claim.name: module.__name__.rpartition(".")[2] for module in groups for claim in module.CLAIMS}


_FAMILIES = _families()


def grid_rows(side: int, machine: Machine) -> Iterator[dict[str, Any]]:
    """One product, and the occupancy solve of a policy that mixes (uniform) and of one that runs one way (directed)."""
    mdp = grid_world((side, side), slip=0.1)
    for name, policy in (("uniform", uniform_policy(mdp)), ("directed", shortest_path_policy((side, side)))):
        dynamics = mdp.policy_dynamics(policy)
        vector = np.random.default_rng(0).random(mdp.n_states)
        product_bytes = _NONZERO * dynamics.nnz + (4 + 8 + 8) * mdp.n_states
        product, _ = best(partial(operator.matmul, dynamics, vector), 3 * ROUNDS)
        yield _row(f"product, {name}", mdp.n_states, product, machine, product_bytes)
        seconds, solution = best(partial(solve_state_occupancy, mdp, dynamics), ROUNDS)
        needed = 2 * (product_bytes + _NONZERO * mdp.n_states) + 8 * _VECTORS * mdp.n_states  # I adds a diagonal
        if solution.method.startswith("gauss-seidel"):
            triangle = sparse.tril(sparse.eye_array(mdp.n_states) + dynamics)
            needed += 2 * (_NONZERO * triangle.nnz + 16 * mdp.n_states)
        yield _row(f"occupancy, {name}", mdp.n_states, seconds, machine, solution.iterations * needed, solution)


def factor_rows(machine: Machine) -> Iterator[dict[str, Any]]:
    """Direct solves: an entrywise occupancy, and DAMO's inner minimum in closed form and by interior points."""
    mdp = grid_world((_ENTRYWISE_SIDE, _ENTRYWISE_SIDE), slip=0.1)
    dynamics = mdp.policy_dynamics(uniform_policy(mdp))
    _, occupancies = setting(grid())
    contestants: tuple[tuple[str, ModuleType, Callable[[], Any]], ...] = (
        ("occupancy, entrywise", linear_solvers, lambda: solve_state_occupancy(mdp, dynamics, entrywise=True)),
        ("inner minimum, closed form", definite_systems, lambda: inner_minimum_closed_form(occupancies, ALPHA)),
        ("inner minimum, interior point", definite_systems, lambda: inner_minimum(occupancies, ALPHA, ChiSquared())),
    )
    for what, module, call in contestants:
        with _factors_of(module) as factors:
            call()
        seconds, _ = best(call, ROUNDS)
        row = _row(what, factors.unknowns, seconds, machine, factors.n_bytes, n_operations=factors.n_operations)
        yield row | {"method": "superlu", "factorizations": factors.count, "fill": factors.fill}


@dataclass(kw_only=True)
class _Factors:
    """What the factorizations of one call needed, summed."""

    count: int = 0
    unknowns: int = 0
    n_operations: float = 0.0
    factor_nonzeros: int = 0
    matrix_nonzeros: int = 0
    splu: Callable[..., Any] = field(default=splu)

    @property
    def n_bytes(self) -> float:
        return float(_NONZERO * (self.factor_nonzeros + self.matrix_nonzeros))

    @property
    def fill(self) -> float:
        return self.factor_nonzeros / max(self.matrix_nonzeros, 1)

    def __call__(self, matrix: Any, **options: Any) -> Any:
        found = self.splu(matrix, **options)
        below = np.diff(found.L.tocsc().indptr) - 1.0  # of each column of L
        right = np.diff(found.U.tocsr().indptr) - 1.0  # of each row of U
        self.count += 1
        self.unknowns = matrix.shape[0]
        self.n_operations += float((below + 2.0 * below * right).sum())
        self.factor_nonzeros += found.L.nnz + found.U.nnz
        self.matrix_nonzeros += matrix.nnz
        return found


@contextmanager
def _factors_of(module: ModuleType) -> Iterator[_Factors]:
    factors = _Factors()
    with mock.patch.object(module, "splu", factors):
        yield factors


def _row(
    what: str,
    unknowns: int,
    seconds: float,
    machine: Machine,
    n_bytes: float,
    solution: LinearSolution | None = None,
    n_operations: float = 0.0,
) -> dict[str, Any]:
    bound = machine.bound(n_bytes, n_operations)
    row = {"what": what, "unknowns": unknowns, "seconds": seconds, "megabytes": n_bytes / 1e6, "bound": bound}
    row |= {"utilization": bound / seconds, "megaflop": n_operations / 1e6 or None}
    return row if solution is None else row | {"method": solution.method, "iterations": solution.iterations}


def best(call: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """CPU seconds of the fastest of some calls, and what the last returned."""
    fastest = np.inf
    for _ in range(rounds):
        start = time.process_time()
        result = call()
        fastest = min(fastest, time.process_time() - start)
    return float(fastest), result


if __name__ == "__main__":
    main()
