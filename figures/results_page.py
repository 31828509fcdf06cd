"""Writes the table of all kept runs in results/README.md: `python -m figures.results_page` in the project's folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ampl.errors import AmplError, InvalidFileError, missing_file
from ampl.files import read_json, write_bytes
from ampl.markdown import as_markdown
from ampl.printing import print_line, print_note
from ampl.randomness import stream
from ampl.statistics import bootstrap_interval, mean_over_tasks, over_seeds
from figures.compare.rows import Policies, Row, rows_by_task
from figures.inputs.measures import Measure
from figures.inputs.published import published_scores
from figures.inputs.runs import Run, find_nested_runs
from figures.inputs.scores import last_score_text, with_spread

RESULTS = Path("results")
PAGE = RESULTS / "README.md"
BEGIN, END = "<!-- the table of all runs; make results writes it -->", "<!-- end of the table -->"
_COLUMNS = (
    "task", "method", "seeds", "updates", "data: mean, best", "last ten", "last evaluation", "last policy again",
    "plain Gymnasium", "published", "time, memory", "device", "commit",
)  # fmt: skip
_AGAIN_EPISODES = 100  # of `ampl evaluate`, for the column


def table(folder: Path = RESULTS) -> str:
    """The lines of the table as Markdown: a row for the seeds of each task, method and settings.

    Args:
        folder: of all runs, at any depth.
    """
    rows = [row for row in rows_by_task(find_nested_runs([folder])) if row.measure is not Measure.EXACT]
    lines = [_line(_COLUMNS), "|" + "---|" * len(_COLUMNS)]
    return "\n".join(lines + [_line(_cells(row)) for row in rows])


def page(text: str, made: str) -> str:
    """A page with the table between its two marks.

    Raises:
        InvalidFileError: the marks are not there, once each and in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise InvalidFileError(f"{PAGE} must have one line {BEGIN!r} and below it one line {END!r}.")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def main() -> int:
    """Writes the page and gives the exit code; where page or runs are missing, a line says so instead."""
    try:
        if not PAGE.is_file():
            raise missing_file(PAGE, "Start this in the project's folder.")
        if not find_nested_runs([RESULTS]):
            raise InvalidFileError(f"no run below {RESULTS}: {PAGE} stays as it is. Put runs of `ampl train` there.")
        write_bytes(PAGE, page(PAGE.read_text(encoding="utf-8"), table()).encode())
    except AmplError as error:
        print_note(f"error: {error}")
        return 2
    print_line(str(PAGE))
    return 0


def _cells(row: Row) -> Sequence[str]:
    cell, first = row.cells[0], row.runs[0]
    ours = with_spread(*over_seeds(cell.scores))
    generator = stream(0, f"results/{row.name}/{row.differs}")
    if interval := bootstrap_interval(mean_over_tasks, row.scores(Policies.RECENT), generator=generator):
        ours += f" [{interval.low:.1f}, {interval.high:.1f}]"
    published = published_scores(first.task, first.algorithm, first.label)
    return (
        f"{first.task} (returns)" if row.measure is Measure.RETURN else first.task,
        f"{row.algorithm}/{row.variant}",
        cell.seeds,
        cell.steps.removesuffix(" (scaled)"),
        _data(first),
        ours,
        last_score_text(cell),
        _means([_recorded(run, "evaluation.json", _AGAIN_EPISODES, "metrics", first.metric) for run in row.runs]),
        _means([_recorded(run, "plain_gymnasium.json", 1, "score_mean") for run in row.runs]),
        "; ".join(f"{with_spread(*score)} ({source})" for source, score in list(published.items())[:1]),
        _cost(row.runs),
        cell.devices,
        cell.commits,
    )


def _data(run: Run) -> str:
    """Where a run's data are from, and what its episodes earn, in reward units."""
    if run.batch_mean is None or run.batch_max is None:
        return run.data
    return f"{run.data}: {run.batch_mean:.0f}, {run.batch_max:.0f}"


def _cost(runs: Sequence[Run]) -> str:
    """The longest time of the seeds, which mostly train side by side, and the most memory; empty where unknown."""
    found = [_read(run, "manifest.json") for run in runs]
    seconds, memory = (
        max(counts.get(name, 0) for counts in found) for name in ("wall_time_seconds", "peak_memory_mib")
    )
    if not seconds:
        return ""
    time = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
    return f"{time}, {memory / 1024:.1f} GiB" if memory else time


def _recorded(run: Run, name: str, episodes: int, *keys: str) -> float | None:
    """A number in a file beside a run, of so many episodes at least; None where there is none."""
    found: Any = _read(run, name)
    if (found.get("episodes") or 0) < episodes:
        return None
    for key in keys:
        found = found[key]
    return float(found)


def _read(run: Run, name: str) -> Mapping[str, Any]:
    """What a file in a run's directory holds; nothing where there is none."""
    path = run.path / name
    return read_json(path, "Expected what is known of a run.") if path.exists() else {}


def _means(values: Sequence[float | None]) -> str:
    """Mean and spread over the seeds, with their number where not all were measured."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    text = with_spread(*over_seeds(np.array(known)))
    return text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)} seeds)"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(as_markdown, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
