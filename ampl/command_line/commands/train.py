"""`ampl train`: trains any algorithm on any task, of either wing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ampl.arithmetic import Device, Precision
from ampl.command_line.data_options import DataOptions, TaskOrData
from ampl.command_line.installed_algorithms import installed_algorithms


@dataclass(frozen=True, kw_only=True)
class Train(DataOptions):
    """Trains an algorithm on a task, or on data of your own, and records everything in run directories.

    Each seed gets OUT/TASK/ALGORITHM/VARIANT/seedK with its settings, metrics, weights, checkpoints and result; what
    --set changes stands in the name of the variant's folder, like main,penalty_weight=2.5.
    """

    algorithm: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="ALGORITHM", help=f"What to train: {installed_algorithms()}.")
    ]
    task: TaskOrData = None
    """What to train it on: a finite MDP, or a task of `ampl data list`; a wrong name lists them all. None with
    --data."""
    variant: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Variant of the algorithm; the first that `ampl settings ALGORITHM TASK` lists if not given."""
    set: Annotated[
        tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE [KEY=VALUE ...]")
    ] = ()
    """Settings to change, like penalty_weight=2.5; `ampl settings ALGORITHM TASK` lists them all."""
    seeds: str = "0"
    """Seeds, trained side by side: integers with commas between them, or ranges, like 0-4."""
    epochs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Epochs in all, those of a resumed run included; a full run if not given."""
    steps_per_epoch: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Updates of critics and policy in an epoch; as published if not given (deep tasks only; AMPL: a multiple of 8)."""
    miw_steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Updates in each estimation of the marginal importance weights; as published if not given (deep tasks only)."""
    model_steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Updates in each fit of the model at most; until it no longer improves if not given (deep tasks only)."""
    model_from: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """A run directory, or a folder of seedK, of MOPO or another algorithm on the same data: its fitted model is taken,
    and none is fitted at first (deep tasks only)."""
    eval_every: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Evaluate every N epochs, and each of the last ten; if not given, every tenth epoch of runs of 100 and more, and
    every epoch of shorter ones (deep tasks only, like the next four)."""
    eval_episodes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Episodes of each evaluation; as the algorithm's settings say if not given."""
    certificates_every: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Measure certificates every N epochs, and each of the last ten; with every evaluation if not given."""
    common_starts: bool = False
    """Start the evaluations of all epochs alike; otherwise each epoch has starts of its own."""
    eval_workers: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Processes that evaluate while training goes on, at most one a core; none on the CPU, and one for each seed on a
    GPU, if not given. What is recorded does not depend on it."""
    device: Device = "auto"
    """Where to train; auto takes a GPU where there is one and the task can use it."""
    threads: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Threads of a training on the CPU; those of a resumed run, otherwise 1, if not given."""
    precision: Annotated[Precision | None, tyro.conf.arg(metavar="PRECISION")] = None
    """Of matrix products: highest is float32; high is TF32 on a GPU; medium may be bfloat16 (`ampl bench` says what it
    is worth); that of a resumed run, otherwise highest, if not given."""
    record: Literal["auto", "never"] = "auto"
    """Steps on a GPU: auto records and replays them, never makes each anew, which is slower (deep tasks only)."""
    checkpoint_seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 30.0
    """Least time between two checkpoints; large ones come later, so that saving takes at most 5 % of the time."""
    out: Path = Path("runs")
    """Folder of all runs."""
    resume: bool = False
    """Continue runs that are already there."""

    def run(self) -> int:
        """Trains, and prints where the results are.

        Returns:
            The exit code: 0, or 1 if some seeds stopped because a metric was not finite.

        Raises:
            DivergedError: all of them did (the exit code is 2).
            AmplError: an argument is wrong, or a run directory cannot be used; the message says which.
        """
        from ampl.api import train
        from ampl.catalog import parse_seeds
        from ampl.runs.result_table import Column, print_results
        from ampl.settings import parse_assignments, variant_label

        results = train(
            self.algorithm,
            self.task,
            **self.own,
            variant=self.variant,
            settings=parse_assignments([text for group in self.set for text in group or ("",)]),
            seeds=parse_seeds(self.seeds),
            epochs=self.epochs,
            out=self.out,
            device=self.device,
            resume=self.resume,
            steps_per_epoch=self.steps_per_epoch,
            miw_steps=self.miw_steps,
            model_steps=self.model_steps,
            model_from=self.model_from,
            eval_every=self.eval_every,
            eval_episodes=self.eval_episodes,
            certificates_every=self.certificates_every,
            common_starts=self.common_starts,
            eval_workers=self.eval_workers,
            threads=self.threads,
            precision=self.precision,
            record=self.record,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        variant = variant_label(results[0].variant, results[0].settings)
        print_results(
            f"{self.algorithm} on {results[0].task}, {variant}: last epoch",
            [
                Column(
                    seed=seed.seed,
                    facts={"status": seed.result.status.value, "epochs": str(seed.result.epochs)},
                    metrics=seed.result.metrics,
                    path=seed.path,
                )
                for seed in results
            ],
            list(dict.fromkeys(note for seed in results for note in seed.notes)),
        )
        return int(any(seed.result.status == "stopped" for seed in results))
