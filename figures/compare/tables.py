"""A comparison as tables, for each kind of policies the rows of single tasks and those over tasks, and as one CSV."""

from __future__ import annotations

from dataclasses import replace

from ampl.statistics import CONFIDENCE, RESAMPLES
from figures.compare.results import Compared, Comparison, Estimate
from figures.compare.rows import Policies
from figures.inputs.measures import FORMS, Measure
from figures.inputs.runs import SCORE_WINDOW, Ending, Run
from figures.inputs.scores import SPREAD_NOTE, distinct, step_range, with_spread
from figures.inputs.table import Table, Value

_EXPLAINED = (
    f"Of each seed the mean of its last {SCORE_WINDOW} evaluations (all, if it has fewer), or its last evaluation "
    "alone; scores are normalized to 0-100.",
    SPREAD_NOTE,
    "Interquartile mean: of the middle half of the runs, a quarter (rounded down) being left out at each end; in "
    f"brackets its {CONFIDENCE:.0%} interval from {RESAMPLES:,} resamples of the seeds of each task. Single seeds have "
    "none, and from two or three it is too narrow.",
)
_UNSCORED = (
    "Returns are undiscounted, in the task's reward units; exact returns are (1 - γ) E[V] on a finite MDP: discounted "
    "and normalized, in reward units a step. Neither is a score."
)
_OVER_TASKS = (
    "Over tasks: mean and median are of the tasks' means, the interquartile mean is over all runs; the optimality gap "
    "is how far scores stay below 100 on average, more counting as 100. Only rows of the same tasks can be compared."
)
_BETTER = (
    "Better: how probable it is that a run of the row scores higher than one of the other row on the same task (ties "
    "count one half), on the mean over tasks, with its interval."
)
_NAMED = ("row", "task", "method")
_SINGLE = ("each seed", "mean", "interquartile mean")
_OVER = ("interquartile mean", "mean", "median", "optimality gap")


def tables(comparison: Comparison) -> list[Table]:
    """The tables that have rows; the notes on all of them stand below the last.

    Exact returns stand in one of them only: they fluctuate by no episodes that a mean would even out.
    """
    alone = [each for each in comparison.rows if len(each.row.cells) == 1]
    over_tasks = [each for each in comparison.rows if len(each.row.cells) > 1]
    better = (f"better than {comparison.against}",) if comparison.against else ()
    made = []
    for policies in Policies:
        title = f"{policies[0].upper()}{policies[1:]}"
        columns = (*_NAMED, *_SINGLE, *better)
        shown = [each for each in alone if policies is Policies.LAST or each.row.measure is not Measure.EXACT]
        rows = tuple(_row(each, policies)[: len(columns)] for each in shown)
        made += [Table(title=title, columns=columns, rows=rows, notes=(), values=())] if rows else []
        if over_tasks:
            columns = (*_NAMED, *_OVER, *better)
            rows = tuple(_row_over_tasks(each, policies)[: len(columns)] for each in over_tasks)
            made.append(Table(title=f"{title}, over tasks", columns=columns, rows=rows, notes=(), values=()))
    notes = [*_EXPLAINED]
    notes += [_UNSCORED] if any(each.row.measure is not Measure.SCORE for each in alone) else []
    notes += [_OVER_TASKS] if over_tasks else []
    notes += [_BETTER] if better else []
    return [*made[:-1], replace(made[-1], notes=(*notes, *comparison.notes))]


def values(comparison: Comparison) -> list[dict[str, Value]]:
    """For programs: each row for each kind of policies, in full precision."""
    return [_values(each, policies, comparison.against) for each in comparison.rows for policies in Policies]


def _row(compared: Compared, policies: Policies) -> tuple[str, ...]:
    row, result = compared.row, compared.results[policies]
    form = FORMS[row.measure]
    [cell], [scores] = row.cells, result.scores
    task = cell.task if row.measure is Measure.SCORE else f"{cell.task} ({row.measure})"
    seeds = ", ".join(f"{_seed(run)}: {score:{form}}" for run, score in zip(cell.runs, scores, strict=True))
    mean = with_spread(result.mean, result.std, form)
    named = (str(compared.number), task, row.method)
    return (*named, seeds, mean, _estimate(result.interquartile_mean, form), _estimate(result.better, ".2f"))


def _row_over_tasks(compared: Compared, policies: Policies) -> tuple[str, ...]:
    row, result = compared.row, compared.results[policies]
    numbers = (f"{each:.1f}" for each in (result.mean, result.median, result.optimality_gap))
    named = (str(compared.number), ", ".join(row.tasks), row.method)
    mean, better = (
        _estimate(each, form, "one seed on a task")
        for each, form in ((result.interquartile_mean, ".1f"), (result.better, ".2f"))
    )
    return (*named, mean, *numbers, better)


def _seed(run: Run) -> str:
    return f"{run.seed}" if run.ending is Ending.FINISHED else f"{run.seed}*"


def _estimate(estimate: Estimate | None, form: str, without: str = "one seed") -> str:
    if estimate is None:
        return ""
    value, interval = estimate
    within = f"({without})" if interval is None else f"[{interval.low:{form}}, {interval.high:{form}}]"
    return f"{value:{form}} {within}"


def _values(compared: Compared, policies: Policies, against: str) -> dict[str, Value]:
    row, result = compared.row, compared.results[policies]
    several = len(row.cells) > 1
    iqm, better = result.interquartile_mean, result.better
    return {
        "row": compared.number,
        "tasks": " ".join(row.tasks),
        "algorithm": row.algorithm,
        "variant": row.variant,
        "differs": row.differs,
        "measure": row.measure.value,
        "policies": policies.value,
        "seeds": "; ".join(" ".join(str(run.seed) for run in cell.runs) for cell in row.cells),
        "scores": "; ".join(" ".join(map(repr, scores.tolist())) for scores in result.scores),
        "mean": result.mean,
        "std": result.std,
        "interquartile_mean": iqm.value,
        **_bounds("interquartile_mean", iqm),
        "median": result.median if several else None,
        "optimality_gap": result.optimality_gap if several else None,
        "better_than": against if better else None,
        "better": better.value if better else None,
        **_bounds("better", better),
        "endings": distinct(run.ending for run in row.runs),
        "steps": step_range(row.runs),
        "data": distinct(run.data for run in row.runs),
        "device": distinct(run.device for run in row.runs),
        "commit": distinct(run.commit for run in row.runs),
    }


def _bounds(name: str, estimate: Estimate | None) -> dict[str, Value]:
    low, high = (None, None) if estimate is None or estimate.interval is None else estimate.interval
    return {f"{name}_low": low, f"{name}_high": high}
