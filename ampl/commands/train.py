"""`ampl train`: trains any algorithm on any task, of either wing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ampl.errors import check_at_least

if TYPE_CHECKING:
    from ampl.recorder import SeedResult


@dataclass(frozen=True, kw_only=True)
class Train:
    """Trains an algorithm on a task and records everything in run directories.

    Each seed gets OUT/TASK/ALGORITHM/VARIANT/seedK with its settings, metrics, weights, checkpoints and result.
    """

    algorithm: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ALGORITHM")]
    """What to train: ampl, mopo, damo, or a baseline."""
    task: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TASK")]
    """What to train it on: a finite MDP, or a D4RL task."""
    variant: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Variant of the algorithm; its first one if not given."""
    seeds: str = "0"
    """Seeds, trained side by side: integers with commas between them."""
    epochs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Epochs in all, those of a resumed run included; a full run if not given."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU where there is one and the task can use it."""
    out: Path = Path("runs")
    """Folder of all runs."""
    resume: bool = False
    """Continue runs that are already there."""

    def run(self) -> int:
        """Trains, and prints where the results are.

        Returns:
            The exit code: 0, or 1 if a seed stopped because a metric was not finite.

        Raises:
            AmplError: an argument is wrong, or a run directory cannot be used; the message says which.
        """
        from ampl.catalog import choose, installed_wings, parse_seeds
        from ampl.training import train

        if self.epochs is not None:
            check_at_least("--epochs", self.epochs, 1, "A run of zero epochs trains nothing.")
        seeds = parse_seeds(self.seeds)
        choice = choose(installed_wings(), self.algorithm, self.task, self.variant)
        epochs = self.epochs or choice.wing.default_epochs(self.algorithm, self.task)
        algorithm = choice.wing.build(self.algorithm, self.task, choice.variant, seeds, self.device)
        results = train(
            algorithm, task=self.task, variant=choice.variant, epochs=epochs, out=self.out, resume=self.resume
        )
        _print_table(f"{self.algorithm} on {self.task}", results)
        return int(any(seed.result.status == "stopped" for seed in results))


def _print_table(title: str, results: Sequence[SeedResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{title}: last epoch", title_justify="left")
    table.add_column("")
    for seed in results:
        table.add_column(f"seed {seed.seed}", justify="right")
    table.add_row("status", *(seed.result.status.value for seed in results))
    table.add_row("epochs", *(str(seed.result.epochs) for seed in results))
    for name in dict.fromkeys(name for seed in results for name in seed.result.metrics):
        values = (seed.result.metrics.get(name) for seed in results)
        table.add_row(name, *("" if value is None else f"{value:.4g}" for value in values))
    console = Console()
    console.print(table)
    for seed in results:
        console.print(f"seed {seed.seed}: {seed.path}", soft_wrap=True, highlight=False, markup=False)
