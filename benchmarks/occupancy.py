"""How fast exact occupancies are on sparse grid worlds, against QuantEcon and the state-action-space solve.

    python -m benchmarks.occupancy            all sizes, a few minutes
    python -m benchmarks.occupancy --quick    up to 10^4 states, under a minute

Every measurement is a fresh process (`occupancy_worker.py`), so that peak memory is its own. A process that passes
`TIME_LIMIT` seconds, or asks for more than the worker's memory limit, is stopped and reported as such. Prints a table
and writes results/occupancy.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.records import command_line, print_table, write_record

SIDES = (30, 100, 316, 1000)  # cells a side; states are the square
POLICIES = ("uniform", "directed", "directed-no-slip")
TIME_LIMIT = 180.0  # seconds a process
_DENSE_LIMIT = 30  # largest side for the dense solve over pairs: 3,600 unknowns
_PAIRS_LIMIT = 316  # for the sparse one: 4 * 10^5 unknowns
_COLUMNS = ("what", "states", "policy", "seconds", "peak_mib", "residual", "method", "ratio", "note")


def main() -> None:
    """Runs every case and reports each rival's time as a multiple of ours."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 10^4 states")
    quick = parser.parse_args().quick
    sides = SIDES[:2] if quick else SIDES
    rows = []
    for what, side, policy in cases(sides):
        rows.append(measure(what, side, policy))
        print(json.dumps(rows[-1]), file=sys.stderr)
    add_ratios(rows)
    print_table(_COLUMNS, rows)
    print(f"wrote {write_record('occupancy', rows).name}")


def cases(sides: tuple[int, ...]) -> Iterator[tuple[str, int, str]]:
    """What to measure: (what, cells a side, policy). QuantEcon evaluates deterministic policies only."""
    for side in sides:
        for policy in POLICIES:
            yield "occupancy", side, policy
            yield "state value", side, policy
            if policy != "uniform":
                yield "QuantEcon state value", side, policy
            if side <= _PAIRS_LIMIT:
                yield "pairs spsolve", side, policy
            if side <= _DENSE_LIMIT:
                yield "pairs dense", side, policy
        yield "operator T", side, "uniform"


def measure(what: str, side: int, policy: str) -> dict[str, Any]:
    """One worker's row, or the reason why there is none."""
    command = [sys.executable, "-m", "benchmarks.occupancy_worker", what, str(side), policy]
    row: dict[str, Any] = {"what": what, "states": side * side, "policy": policy}
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return row | {"note": f"stopped after {TIME_LIMIT:.0f} s"}
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        return row | {"note": lines[-1][:80] if lines else f"ended by signal or code {error.returncode}"}
    return row | json.loads(result.stdout)


def add_ratios(rows: list[dict[str, Any]]) -> None:
    """Adds each rival's seconds as a multiple of our own for the same states, policy and quantity."""
    ours = {(row["what"], row["states"], row["policy"]): row.get("seconds") for row in rows}
    for row in rows:
        rival_of = {"QuantEcon state value": "state value", "pairs spsolve": "occupancy", "pairs dense": "occupancy"}
        own = ours.get((rival_of.get(row["what"]), row["states"], row["policy"]))
        if own and "seconds" in row:
            row["ratio"] = row["seconds"] / own


if __name__ == "__main__":
    main()
