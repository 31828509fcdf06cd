"""Ratios of earlier benchmarks beside today's: `python -m benchmarks.history [--append]`.

    python -m benchmarks.history             compares results/ with the history; exit code 1 if one fell by over 25 %
    python -m benchmarks.history --append    and then adds today's ratios to the history

Ratios are to the usual way (`ampl_steps`, `mopo_steps`), or of needed to measured time (`ampl bench --json
benchmarks/results/bench.json`). Both sides of one were measured by turns in one process, which is why ratios of
different days compare and times do not; still only those of one processor model and number of threads are compared.
history.json is a list of {date, commit, cpu, torch, threads, ratios: {name: value}}, oldest first.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ampl.errors import AmplError, InvalidFileError
from ampl.files import read_json, write_json
from benchmarks.records import RESULTS, command_line, print_table

HISTORY = Path(__file__).parent / "history.json"
STEPS = ("ampl_steps", "mopo_steps")
BENCH = "bench"
LARGEST_FALL = 0.25  # of a ratio; machines that others share vary by 15 %
_HINT = "Expected a list of {date, commit, cpu, torch, threads, ratios}, as `python -m benchmarks.history` writes it."


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Ratios of one processor model and number of threads.

    Attributes:
        date: of the newest measurement among them, ISO 8601.
        commit: of that measurement, or "unknown".
        cpu: its model, or the GPU's.
        torch: version.
        threads: of PyTorch.
        ratios: by name; larger is better.
    """

    date: str
    commit: str
    cpu: str
    torch: str
    threads: int
    ratios: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One ratio then and now; None where it was not measured."""

    threads: int
    name: str
    old: float | None
    new: float | None

    @property
    def change(self) -> float | None:
        """Relative; negative is slower."""
        return None if self.old is None or self.new is None else self.new / self.old - 1.0

    @property
    def fell(self) -> bool:
        """Whether it fell by more than noise explains."""
        return self.change is not None and self.change < -LARGEST_FALL


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares, prints, appends; the exit code is 1 if a ratio fell, 2 if a file cannot be used."""
    parser = command_line(__doc__)
    parser.add_argument("--append", action="store_true", help="add today's ratios to the history")
    append = parser.parse_args(arguments).append
    try:
        return compare(RESULTS, HISTORY, append=append)
    except AmplError as error:
        print(f"history: error: {error}", file=sys.stderr)
        return 2


def compare(results: Path, history: Path, *, append: bool) -> int:
    """Compares a folder of results with a history file; returns the exit code, 0 or 1.

    Raises:
        InvalidFileError: no results, or a file that is not as expected.
    """
    earlier, fresh = read_history(history), fresh_entries(results)
    changes = [change for entry in fresh for change in changes_since(earlier, entry)]
    rows = [asdict(change) | {"change": _percent(change), "": "FELL" if change.fell else ""} for change in changes]
    print_table(("threads", "name", "old", "new", "change", ""), rows)
    fallen = [change for change in changes if change.fell]
    for change in fallen:
        print(
            f"history: warning: '{change.name}' on {change.threads} threads fell from {change.old:.3g} to "
            f"{change.new:.3g}. Measure again with nothing else running; if it stays, find the commit.",
            file=sys.stderr,
        )
    if append:
        added = [entry for entry in fresh if entry not in earlier]
        write_json(history, [asdict(entry) for entry in (*earlier, *added)])
        print(f"added {len(added)} entries to {history.name}")
    return int(bool(fallen))


def changes_since(earlier: Sequence[Entry], entry: Entry) -> list[Change]:
    """Every ratio of an entry, and those that the latest one like it, but not itself, has besides."""
    alike = [old for old in earlier if (old.cpu, old.threads) == (entry.cpu, entry.threads) and old != entry]
    old = alike[-1].ratios if alike else {}
    return [
        Change(threads=entry.threads, name=name, old=old.get(name), new=entry.ratios.get(name))
        for name in dict.fromkeys((*entry.ratios, *old))
    ]


def fresh_entries(results: Path) -> list[Entry]:
    """What the result files say, an entry for each processor and number of threads.

    Raises:
        InvalidFileError: there is no result file, or one is not as expected.
    """
    found: dict[tuple[str, int], Entry] = {}
    for name in (*STEPS, BENCH):
        path = results / f"{name}.json"
        if path.exists():
            record = read_json(path)
            try:
                entries = list(_bench_entries(record) if name == BENCH else _steps_entries(name, record))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InvalidFileError(
                    f"{path} is not as expected ({type(error).__name__}: {error}). Run its benchmark again."
                ) from error
            for entry in entries:
                key = entry.cpu, entry.threads
                found[key] = _joined(found[key], entry) if key in found else entry
    if not found:
        raise InvalidFileError(f"{results} has none of {', '.join((*STEPS, BENCH))}.json. Run `make bench` first.")
    return list(found.values())


def read_history(path: Path) -> list[Entry]:
    """The entries of a history file, oldest first; none if there is no file.

    Raises:
        InvalidFileError: it is not as expected.
    """
    if not path.exists():
        return []
    items = read_json(path, _HINT)
    try:
        return [_entry(**item) for item in items]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidFileError(f"{path} is not as expected ({error}). {_HINT}") from error


def _entry(*, ratios: dict[str, Any], **facts: Any) -> Entry:
    """An entry with finite positive ratios."""
    for name, ratio in ratios.items():
        if not 0.0 < float(ratio) < math.inf:
            raise ValueError(f"ratio '{name}' is {ratio}")
    return Entry(ratios={name: float(ratio) for name, ratio in ratios.items()}, **facts)


def _steps_entries(name: str, record: Any) -> Iterator[Entry]:
    """From `ampl_steps` or `mopo_steps`: an entry for each number of threads, without the usual way's own ones."""
    rows = [row for row in record["rows"] if row["contestant"] != "usual" and row["ratio"] is not None]
    for threads in dict.fromkeys(row["threads"] for row in rows):
        mine = [row for row in rows if row["threads"] == threads]
        yield _entry(
            date=record["date"],
            commit=record["commit"],
            cpu=record["machine"]["cpu"],
            torch=record["versions"]["torch"],
            threads=threads,
            ratios={f"{name}: {row['what']}, {row['contestant']}": row["ratio"] for row in mine},
        )


def _bench_entries(record: Any) -> Iterator[Entry]:
    """From `ampl bench`: utilizations."""
    measured = [row for row in record["rows"] if row["utilization"] is not None]
    yield _entry(
        date=record["date"],
        commit=record.get("commit") or "unknown",
        cpu=record["device"],
        torch=record["torch"],
        threads=record["threads"],
        ratios={f"{BENCH}: {row['loop']}, {row['seeds']} stacked": row["utilization"] for row in measured},
    )


def _joined(first: Entry, second: Entry) -> Entry:
    """Ratios of both under the date of the newer one, whose commit counts if it is known."""
    newer, older = (second, first) if second.date > first.date else (first, second)
    commit = older.commit if newer.commit == "unknown" else newer.commit
    return Entry(
        date=newer.date,
        commit=commit,
        cpu=newer.cpu,
        torch=newer.torch,
        threads=newer.threads,
        ratios=first.ratios | second.ratios,
    )


def _percent(change: Change) -> str | None:
    return None if change.change is None else f"{change.change:+.0%}"


if __name__ == "__main__":
    sys.exit(main())
