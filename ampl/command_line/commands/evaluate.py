"""`ampl evaluate`: what the policy of a run scores, from the run directory alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ampl.arithmetic import Device, Precision
from ampl.errors import AmplError, InvalidArgumentError, check_at_least

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Evaluates the newest policy of a run again, finished or not.

    RUN keeps its records as they are; what is measured goes to RUN/evaluation.json, if it can be written.
    """

    run_directory: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A run directory (.../seed0), or the folder of several seeds."""
    episodes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Episodes; as many as in training if not given. Exact evaluations need none."""
    data: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Where the data of a run on data of your own are now; where they were if not given."""
    video: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Also film one episode: .mp4 or .gif (deep tasks with pictures; RUN is then one seed's directory)."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU where there is one and the task can use it."""
    threads: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Threads on the CPU; as many as the run was trained with if not given."""
    precision: Annotated[Precision | None, tyro.conf.arg(metavar="PRECISION")] = None
    """Of matrix products: highest, high or medium; that of the run if not given."""

    def run(self) -> int:
        """Evaluates every seed, and prints the table.

        Returns:
            The exit code: 0, or 1 if some of several seeds could not be evaluated.

        Raises:
            AmplError: an argument is wrong, or no run can be evaluated; the message says why.
        """
        from ampl.arithmetic import DEFAULT
        from ampl.runs.result_table import Column, print_results
        from ampl.runs.run_evaluation import RunEvaluation, evaluate, find_runs
        from ampl.settings import variant_label

        DEFAULT.changed(self.threads, self.precision)  # refuses what cannot be before anything is read
        if self.episodes is not None:
            check_at_least("--episodes", self.episodes, 1)
        runs = find_runs(self.run_directory)
        if self.video is not None:
            self._film(runs)
        found: list[RunEvaluation] = []
        for path in runs:
            try:
                found.append(
                    evaluate(
                        path,
                        episodes=self.episodes,
                        device=self.device,
                        threads=self.threads,
                        precision=self.precision,
                        data=self.data,
                    )
                )
            except AmplError as error:
                if path == runs[-1] and not found:
                    raise
                logger.error("%s", error)
        print_results(
            f"{found[0].algorithm} on {found[0].task}, {variant_label(found[0].variant, found[0].settings)}: "
            "evaluated again",
            [
                Column(
                    seed=run.seed,
                    facts={"epoch": str(run.epoch)} | ({"starts of episodes": run.starts} if run.starts else {}),
                    metrics=run.metrics,
                    path=run.path,
                )
                for run in found
            ],
            list(dict.fromkeys(note for run in found for note in run.notes)),
        )
        return int(len(found) < len(runs))

    def _film(self, runs: Sequence[Path]) -> None:
        from ampl.printing import print_line
        from ampl.runs.saved_policy import film_policy

        if len(runs) > 1:
            raise InvalidArgumentError(
                f"--video films one run, and there are {len(runs)}; name one of them: {runs[0]}."
            )
        assert self.video is not None
        earned = film_policy(runs[0], self.video)
        print_line(f"{self.video}: one episode, return {earned:.6g}")
