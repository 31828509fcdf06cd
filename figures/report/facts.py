"""What a report says before its tables and figures: which runs there are, how they came about, what was checked."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from ampl import __version__
from ampl.claims import ClaimRecord, Verdict, read_claims
from ampl.errors import InvalidFileError
from ampl.files import SIGNATURE, read_json
from ampl.setting_values import value_text
from figures.inputs.differences import differing_keys, setting
from figures.inputs.runs import UNKNOWN, Ending, Run
from figures.inputs.scores import distinct, mixtures, step_range
from figures.inputs.table import Table

_CLAIMS = ("claims.json", "verify.json", "verify/claims.json", "verify/*.json")  # the first that is there is read
_RUN_PACKAGES = (SIGNATURE, "torch", "numpy", "gymnasium", "mujoco")
_PAGE_PACKAGES = ("numpy", "matplotlib")
_SCALED: Mapping[bool | None, str] = {True: "scaled down", False: "full length", None: UNKNOWN}
_WORST = (
    "worst, over all cases: the largest ratio of left to right side of an inequality (above 1: contradicted), or the "
    "largest difference of an equality's sides, by the larger one where that exceeds 1; docs/claims.md says more."
)
_CONDITIONAL = (
    "holds with condition: contradicted as printed, never where the condition is met. fails as printed: contradicted."
)


def facts(folder: Path, runs: Sequence[Run], records: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Where a report comes from: pairs of a name and what is to be said.

    Args:
        folder: that the report is of.
        runs: below it.
        records: names of the records in it.
    """
    found = [("folder", str(folder)), ("runs", _run_count(runs))]
    if runs:
        found += [
            ("data", _counted(run.data for run in runs)),
            ("schedules", _counted(map(_schedule, runs))),
            ("devices", _counted(run.device for run in runs)),
            ("commits", _counted(run.commit for run in runs)),
            ("runs made with", _versions(runs)),
        ]
    drawn_with = [f"{SIGNATURE} {__version__}", *(f"{package} {version(package)}" for package in _PAGE_PACKAGES)]
    return *found, ("records", ", ".join(records) or "none"), ("page made with", ", ".join(drawn_with))


def caution(runs: Iterable[Run]) -> str:
    """A sentence on what the runs' scores may be compared with; empty if nothing speaks against the papers'."""
    if all(run.exact or (run.data == "original" and run.scaled is False) for run in runs):
        return ""
    return (
        "Not all runs are known to be on the original data and of full length. Scores on re-created data, or after "
        "fewer steps than published, are not the same quantity as the papers'."
    )


def run_table(runs: Iterable[Run]) -> Table:
    """One row for the seeds of each algorithm, task, variant and settings."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.task, run.algorithm, run.label), []).append(run)
    rows = [
        (
            *place,
            ", ".join(f"{run.seed}{_mark(run)}" for run in seeds),
            distinct(map(_evaluation, seeds)),
            distinct(f"{run.epochs:,}" for run in seeds),
            step_range(seeds),
            *(
                distinct(values)
                for values in (
                    (run.data for run in seeds),
                    map(_schedule, seeds),
                    (run.device for run in seeds),
                    (run.commit for run in seeds),
                )
            ),
        )
        for place, seeds in sorted(groups.items())
    ]
    columns = (
        "task",
        "algorithm",
        "variant",
        "seeds",
        "evaluation",
        "epochs",
        "steps",
        "data",
        "schedule",
        "device",
        "commit",
    )
    steps = "Steps: gradient steps of each seed. A commit with + had changes that were not committed."
    notes = (steps, *mixtures(run for seeds in groups.values() for run in seeds))
    return Table(title="All runs", columns=columns, rows=tuple(rows), notes=notes, values=())


def _evaluation(run: Run) -> str:
    return "exact" if run.exact else "measured in episodes" if run.score.size else "none"


def _schedule(run: Run) -> str:
    return "exact" if run.exact else _SCALED[run.scaled]


def settings_table(runs: Iterable[Run]) -> Table | None:
    """A row for each setting that differs between runs of one algorithm, exact or deep, with those of each value."""
    rows = []
    by_algorithm: dict[tuple[str, bool], list[Run]] = {}
    for run in runs:
        by_algorithm.setdefault((run.algorithm, run.exact), []).append(run)
    for (algorithm, _), there in sorted(by_algorithm.items()):
        for key in differing_keys(there):
            values: dict[str, list[str]] = {}
            for run in there:
                values.setdefault(value_text(setting(run, key)), []).append(f"{run.task}/{run.label}")
            said = "; ".join(f"{value}: {distinct(places)}" for value, places in _by_runs(values))
            rows.append((algorithm, key, said))
    if not rows:
        return None
    return Table(
        title="Settings that differ", columns=("algorithm", "setting", "value: of which runs"), rows=tuple(rows),
        notes=("Of runs of one algorithm. All else that was recorded of their settings is the same.",), values=(),
    )  # fmt: skip


def _by_runs(values: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    """The values by how many runs have them, most first; those runs are called the others."""
    ordered = sorted(values.items(), key=lambda pair: -len(pair[1]))
    return [(ordered[0][0], ["the others"]), *ordered[1:]]


def find_claims(folder: Path) -> Path | None:
    """The file of claim records in a folder; None if there is none."""
    return next((path for pattern in _CLAIMS for path in sorted(folder.glob(pattern)) if path.is_file()), None)


def claim_table(folder: Path) -> Table:
    """One row a claim, from the records of `ampl verify`.

    Raises:
        InvalidFileError: there are none, or they cannot be read.
    """
    path = find_claims(folder)
    if path is None:
        command = f"ampl verify --json {shlex.quote(str(folder / _CLAIMS[0]))}"
        raise InvalidFileError(f"no record of checked claims in {folder}. `{command}` makes one.")
    records = read_claims(path)
    if not records:
        raise InvalidFileError(f"{path} holds no claim. `ampl verify --json FILE` writes all of them.")
    counts = Counter(record.verdict for record in records)
    title = "; ".join(f"{verdict}: {counts[verdict]}" for verdict in Verdict)
    rows = [
        (record.claim, _verdict(record), f"{record.cases:,}", f"{record.worst:.3g}", record.source)
        for record in records
    ]
    surprises = sum(record.verdict is not record.expected for record in records)
    notes = (
        f"From {path}: {len(records)} claims on up to {max(record.cases for record in records):,} cases each; "
        f"{surprises or 'none'} with another verdict than theory gives.",
        _WORST,
        _CONDITIONAL,
        "What each claim says in a sentence is in claims.md, which `ampl verify --report DIR` writes.",
    )
    columns = ("claim", "verdict", "cases", "worst", "source")
    return Table(title=title, columns=columns, rows=tuple(rows), notes=notes, values=())


def _verdict(record: ClaimRecord) -> str:
    surprise = "" if record.verdict is record.expected else f" (expected: {record.expected})"
    return f"{record.verdict}{surprise}"


def _mark(run: Run) -> str:
    return "" if run.ending is Ending.FINISHED else f" ({run.ending})"


def _run_count(runs: Sequence[Run]) -> str:
    if not runs:
        return "none"
    tasks, algorithms = {run.task for run in runs}, {run.algorithm for run in runs}
    return (
        f"{len(runs)} ({_counted(str(run.ending) for run in runs)}); tasks: {len(tasks)}; "
        f"algorithms: {', '.join(sorted(algorithms))}"
    )


def _counted(values: Iterable[str]) -> str:
    """The different values, the most frequent first, each with how often it occurs."""
    counts = Counter(values)
    return ", ".join(f"{value}: {counts[value]}" for value in sorted(counts, key=lambda each: (-counts[each], each)))


def _versions(runs: Iterable[Run]) -> str:
    """Versions of the packages that decide a result, as the manifests say."""
    found: dict[str, list[str]] = {}
    for run in runs:
        path = run.path / "manifest.json"
        manifest = read_json(path) if path.exists() else {}
        versions = manifest.get("versions") if isinstance(manifest, dict) else None
        for package, number in (versions if isinstance(versions, dict) else {}).items():
            found.setdefault(package, []).append(str(number))
    return (
        "; ".join(f"{package} {distinct(found[package])}" for package in _RUN_PACKAGES if package in found) or UNKNOWN
    )
