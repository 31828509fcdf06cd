"""`ampl sweep`: many trainings from one file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ampl.errors import InvalidArgumentError, check_at_least

if TYPE_CHECKING:
    from ampl.sweeps.job_state import JobState
    from ampl.sweeps.plan import TrainOptions

_LEAST = dict.fromkeys(
    ("epochs", "steps_per_epoch", "miw_steps", "model_steps", "eval_every", "eval_episodes", "certificates_every",
     "threads"), 1
) | {"eval_workers": 0, "checkpoint_seconds": 0}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Trains a grid of algorithms, tasks, variants, settings and seeds from a TOML file, a job for each seed.

    The file has algorithms = [...] and tasks = [...], and may have variants = [...], seeds = "0-4", a table [settings]
    of values or lists of values, and a table [train] with options of `ampl train`; several grids are tables [[grid]].
    Jobs that have ended are left alone and others continue, so the same command goes on after an interruption. Each
    job prints into seedK.log beside its run directory; one that fails or diverges stops no other.
    """

    file: tyro.conf.Positional[Path]
    """The TOML file."""
    out: Path = Path("runs")
    """Folder of all runs."""
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Trainings at a time, one thread each; 0: as many as cores are free."""
    worker: Annotated[str, tyro.conf.arg(metavar="I/N")] = "1/1"
    """Only every Nth job, from the Ith on: for N machines or N tasks of a Slurm array that share the folder."""
    backend: Literal["local", "ray"] = "local"
    """Where to train: processes of this machine, or tasks of a Ray cluster that shares the folder."""
    ray_address: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS")] = None
    """Of a running Ray cluster; if not given, Ray starts on this machine."""
    dry_run: bool = False
    """Only print the jobs."""

    def run(self) -> int:
        """Trains, and prints what became of every job; the exit code is 1 if one failed or diverged."""
        from ampl.files import check_output_folder
        from ampl.sweeps.job_state import JobState, Phase
        from ampl.sweeps.plan import read_plan
        from ampl.sweeps.sweep_lock import lock_sweep

        check_at_least("--workers", self.workers, 0, "0: as many as cores are free.")
        part, parts = self._part()
        out = self.out.absolute() if self.backend == "ray" else self.out  # a cluster's machines start elsewhere
        plan = read_plan(self.file, out, _read_options)
        jobs = plan[part - 1 :: parts]
        if self.dry_run:
            for job in jobs:
                print(job.name)
            return 0
        check_output_folder(self.out, "Choose a folder you can write to: --out DIR.")
        states = [JobState(job) for job in jobs]
        lock = lock_sweep(self.out, part, parts, plan)
        try:
            self._train(states)
        except KeyboardInterrupt:
            self._report(states)
            raise
        finally:
            lock.release()
        self._report(states)
        return int(any(state.phase is not Phase.FINISHED for state in states))

    def _train(self, states: list[JobState]) -> None:
        from ampl.sweeps.display import Display
        from ampl.sweeps.processes import TrainingProcess, free_cores
        from ampl.sweeps.run import run_jobs

        workers = self.workers or free_cores()
        if self.backend == "local":
            return run_jobs(states, workers, TrainingProcess, Display())
        from ampl.sweeps.ray_cluster import RayTraining, connect, disconnect

        at_once = connect(self.ray_address, workers)
        try:
            run_jobs(states, at_once, RayTraining, Display())
        finally:
            disconnect()

    def _report(self, states: list[JobState]) -> None:
        from ampl.printing import WIDE, literal_console, print_line
        from ampl.sweeps.display import states_table, summary
        from ampl.sweeps.job_state import Phase

        literal_console(WIDE).print(states_table(states, f"{len(states)} jobs: {summary(states)}"))
        for state in states:
            if state.phase is Phase.FAILED:
                print_line(f"{state.job.name}: see {state.job.log}")
        print_line(f"Compare them: ampl compare {shlex.quote(str(self.out))}")

    def _part(self) -> tuple[int, int]:
        found = re.fullmatch(r"(\d+)/(\d+)", self.worker)
        part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= part <= parts:
            raise InvalidArgumentError(f"--worker is '{self.worker}'; expected I/N with 1 <= I <= N, like 2/8.")
        return part, parts


def _read_options(options: Sequence[str]) -> TrainOptions:
    """What `ampl train` makes of them; data of the user's own are opened."""
    from ampl.api import named_or_own
    from ampl.catalog import OwnProblem
    from ampl.command_line.command_parser import parse
    from ampl.command_line.commands.train import Train
    from ampl.scale import Scale
    from ampl.sweeps.plan import TrainOptions

    parsed: Train = parse(Train, ["ALGORITHM", *options], prog="ampl train")
    if parsed.task is not None:
        raise InvalidArgumentError(
            f"[train] gives '{parsed.task}' to no option; a switch is true, others take one value."
        )
    for name, least in _LEAST.items():
        if (count := getattr(parsed, name)) is not None:
            check_at_least(f"[train] {name}", count, least)
    found = named_or_own("TASK" if parsed.data is None else None, **parsed.own)
    return TrainOptions(
        scale=Scale.from_options(vars(parsed)),
        own=found if isinstance(found, OwnProblem) else None,
        model_from=parsed.model_from,
    )
