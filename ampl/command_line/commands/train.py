"""`ampl train`: trains any algorithm on any task, of either wing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Train:
    """Trains an algorithm on a task and records everything in run directories.

    Each seed gets OUT/TASK/ALGORITHM/VARIANT/seedK with its settings, metrics, weights, checkpoints and result; what
    --set changes stands in the name of the variant's folder, like main,penalty_weight=2.5.
    """

    algorithm: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ALGORITHM")]
    """What to train: ampl, mopo or damo."""
    task: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TASK")]
    """What to train it on: a finite MDP, or a task of `ampl data list`; a wrong name lists them all."""
    variant: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Variant of the algorithm; its first one if not given, and a wrong one lists them all."""
    set: Annotated[
        tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE [KEY=VALUE ...]")
    ] = ()
    """Settings to change, like penalty_weight=2.5; `ampl settings ALGORITHM TASK` lists them all."""
    seeds: str = "0"
    """Seeds, trained side by side: integers with commas between them."""
    epochs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Epochs in all, those of a resumed run included; a full run if not given."""
    steps_per_epoch: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Updates of critics and policy in an epoch; as published if not given (deep tasks only)."""
    miw_steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Updates in each estimation of the marginal importance weights; as published if not given (deep tasks only)."""
    model_steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Updates in each fit of the model at most; until it no longer improves if not given (deep tasks only)."""
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
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU where there is one and the task can use it."""
    threads: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Threads of a training on the CPU; those of a resumed run, otherwise 1, if not given."""
    precision: Literal["highest", "high", "medium"] | None = None
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
            The exit code: 0, or 1 if a seed stopped because a metric was not finite.

        Raises:
            AmplError: an argument is wrong, or a run directory cannot be used; the message says which.
        """
        from ampl.arithmetic import choose_arithmetic
        from ampl.catalog import choose, installed_wings, parse_seeds
        from ampl.files import check_output_folder
        from ampl.interruption import resumable, saving_first
        from ampl.runs.result_table import Column, print_results
        from ampl.runs.run_directory import run_path
        from ampl.scale import Scale
        from ampl.settings import requested_settings, variant_label
        from ampl.step_recording import step_recording
        from ampl.training import train

        choice = choose(installed_wings(), self.algorithm, self.task, self.variant)
        wing, variant = choice.wing, choice.variant
        texts = [text for group in self.set for text in group or ("",)]
        settings = requested_settings(wing.settings(self.algorithm, self.task, variant), texts) if texts else {}
        scale = Scale(
            epochs=self.epochs,
            steps_per_epoch=self.steps_per_epoch,
            weight_steps=self.miw_steps,
            model_steps=self.model_steps,
            evaluation_period=self.eval_every,
            evaluation_episodes=self.eval_episodes,
            certificate_period=self.certificates_every,
            common_starts=self.common_starts,
            settings=settings,
        )
        seeds = parse_seeds(self.seeds)
        places = [run_path(self.out, self.task, self.algorithm, variant, seed, settings) for seed in seeds]
        for place in places:  # before the data is read
            check_output_folder(place)
        arithmetic = choose_arithmetic(self.threads, self.precision, places if self.resume else [])
        with resumable("--resume"), step_recording(self.record == "auto"):
            algorithm = wing.build(self.algorithm, self.task, variant, seeds, self.device, scale, arithmetic)
            with saving_first():
                results = train(
                    algorithm,
                    task=self.task,
                    variant=variant,
                    epochs=self.epochs or wing.default_epochs(self.algorithm, self.task, variant),
                    out=self.out,
                    resume=self.resume,
                    checkpoint_seconds=self.checkpoint_seconds,
                    scale=scale,
                    evaluation_workers=self.eval_workers,
                )
        print_results(
            f"{self.algorithm} on {self.task}, {variant_label(variant, settings)}: last epoch",
            [
                Column(
                    seed=seed.seed,
                    facts={"status": seed.result.status.value, "epochs": str(seed.result.epochs)},
                    metrics=seed.result.metrics,
                    path=seed.path,
                )
                for seed in results
            ],
            algorithm.notes(),
        )
        return int(any(seed.result.status == "stopped" for seed in results))
