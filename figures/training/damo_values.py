"""Table `damo-values`: what DAMO's critics promise, with a consistent and an inconsistent actor, and what is earned.

Source: DAMO, Table 1 (medium-expert), whose text has lost walker2d's inconsistent value and the label of its last row,
read here as the true value. A cell without a run is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ampl.errors import InvalidFileError
from ampl.statistics import over_seeds
from figures.inputs.names import MAIN
from figures.inputs.records import Numbers
from figures.inputs.runs import SCORE_WINDOW, Ending, find_runs, recent
from figures.inputs.scores import SPREAD_NOTE, Cell, mixtures, stopped_notes, with_spread
from figures.inputs.table import Table, Value
from figures.training.damo_runs import ALGORITHM, Seed, grouped, how_to_make, read_seed

DAMO_TABLE_1: Mapping[str, tuple[float, float | None, float]] = {
    "halfcheetah-medium-expert-v2": (95.2, 101.4, 819.6),
    "hopper-medium-expert-v2": (213.0, 219.4, 269.6),
    "walker2d-medium-expert-v2": (231.7, None, 299.7),
}
"""The paper's values with a consistent and an inconsistent actor, and the true value, by dataset."""

METHODS: Mapping[str, str] = {MAIN: "consistent", "inconsistent": "inconsistent"}
"""What the paper calls the actors of our variants."""


@dataclass(frozen=True, kw_only=True)
class _Promise:
    """The seeds of one dataset and variant that recorded values, at least one."""

    seeds: tuple[Seed, ...]

    @property
    def value(self) -> Numbers:
        """[seeds] the critics' value at the end."""
        return np.array([recent(seed.value) for seed in self.seeds])

    @property
    def truth(self) -> Numbers:
        """[seeds] the discounted return at the end."""
        return np.array([recent(seed.truth) for seed in self.seeds])

    @property
    def bias(self) -> Numbers:
        """[seeds] how much more is claimed than earned."""
        return self.value - self.truth

    @property
    def circumstances(self) -> tuple[str, str, str, str, str]:
        """Seeds, steps, data, device and commit."""
        run = self.seeds[0].run
        cell = Cell(task=run.task, variant=run.variant, runs=tuple(seed.run for seed in self.seeds))
        return cell.seeds, cell.steps, cell.data, cell.devices, cell.commits


def damo_values(folder: Path) -> Table:
    """Promised and earned values on the paper's datasets and on those with runs.

    Args:
        folder: folder of all runs.

    Raises:
        InvalidFileError: no run recorded them.
    """
    runs = find_runs(folder, ALGORITHM, variants=METHODS)
    seeds = [seed for run in runs if run.counts and (seed := read_seed(run)).has_values]
    if not seeds:
        older = f"; {len(runs)} there recorded none" if runs else ""
        raise InvalidFileError(f"no run of DAMO with values below {folder}{older}. {how_to_make(folder)} makes one.")
    found = {place: _Promise(seeds=tuple(there)) for place, there in grouped(seeds).items()}
    rows, values = [], []
    for task in dict.fromkeys([*DAMO_TABLE_1, *(task for task, _ in found)]):
        paper = DAMO_TABLE_1.get(task, (None, None, None))
        for (variant, method), published in zip(METHODS.items(), paper, strict=False):
            promise = found.get((task, variant))
            circumstances = ("",) * 5 if promise is None else promise.circumstances
            rows.append((task, method, _number(published), _number(paper[2]), *_texts(promise), *circumstances))
            known: dict[str, Value] = {"dataset": task, "method": method, "paper_value": published,
                                       "paper_true": paper[2]}  # fmt: skip
            values.append(known | _values(promise))
    notes = (
        "Ours: the critics' value of the starts of an evaluation's episodes (certificate/value_estimate); true: the "
        "discounted return of the policy's best actions from the same starts in the simulator "
        "(evaluation/discounted_return_mean), or where it is known, as on lqr tasks, that of paths without end "
        f"(truth/discounted_return). Both are means of a seed's last {SCORE_WINDOW} measurements (all, if it "
        "has fewer), in reward units.",
        "Bias: value minus true return of the same seed; above zero the critics claim more than is earned. The value "
        "is the smaller twin's and includes the entropy that training pays for; the true return does not.",
        "Consistent: `main`, whose actor maximizes what the critic minimizes; inconsistent: `inconsistent`, the same "
        "critic with an ordinary off-policy actor.",
        SPREAD_NOTE,
        "The paper has medium-expert only. Its text has lost walker2d's inconsistent value and the label of its last "
        "row, read here as the true value.",
        "Values on re-created data, or after fewer steps than published, are not the same quantity as the paper's.",
        *_older_note(sum(run.counts for run in runs) - len(seeds)),
        *mixtures(seed.run for seed in seeds),
        *stopped_notes(run for run in runs if run.ending is Ending.STOPPED),
    )
    columns = ("dataset", "actor", "paper: value", "paper: true", "ours: value", "ours: true", "ours: bias", "seeds",
               "steps", "data", "device", "commit")  # fmt: skip
    title = "DAMO, Table 1: values that the critics claim"
    return Table(title=title, columns=columns, rows=tuple(rows), notes=notes, values=tuple(values))


def _texts(promise: _Promise | None) -> tuple[str, str, str]:
    if promise is None:
        return "", "", ""
    value, truth, bias = (with_spread(*over_seeds(each)) for each in (promise.value, promise.truth, promise.bias))
    return value, truth, bias


def _values(promise: _Promise | None) -> dict[str, Value]:
    """The same as plain values, with the circumstances; None without runs."""
    found: dict[str, Value] = {}
    for name in ("value", "true", "bias"):
        attribute = {"true": "truth"}.get(name, name)
        mean, std = (None, None) if promise is None else over_seeds(getattr(promise, attribute))
        found |= {f"ours_{name}_mean": mean, f"ours_{name}_std": std}
    facts: Sequence[str | None] = (None,) * 5 if promise is None else promise.circumstances
    return found | dict(zip(("seeds", "steps", "data", "device", "commit"), facts, strict=True))


def _older_note(count: int) -> list[str]:
    return [f"{count} runs recorded no values and are not counted."] if count else []


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
