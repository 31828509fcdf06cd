"""The records of several seeds trained side by side: who is still running, what was measured, where to continue."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ampl.errors import DivergedError, InvalidArgumentError, InvalidDistributionError
from ampl.interfaces import Algorithm, Array, KnowsExactWeights, Metrics, Sampled
from ampl.runs.checkpoint_clock import CheckpointClock
from ampl.runs.checkpoints import Checkpoint, Place
from ampl.runs.common_place import common_place
from ampl.runs.given_models import GivenModel
from ampl.runs.metrics_table import joined
from ampl.runs.recorded_arithmetic import tell_arithmetic
from ampl.runs.run_directory import Result, RunDirectory, Status, run_path
from ampl.runs.seed_result import SeedResult
from ampl.scale import Scale

logger = logging.getLogger(__name__)

_MEAN_TOLERANCE = 1e-3  # of weights, which may be float32 over millions of transitions


class Recorder:
    """The run directories of all seeds of an algorithm, to be used in a `with` statement.

    A seed whose metrics are no longer finite stops: nothing more is recorded for it and its last good checkpoint stays,
    while the other seeds go on.

    Args:
        algorithm: what is trained.
        task, variant: parts of the path of a run directory.
        out: folder of all runs.
        resume: whether runs that are already there may be continued.
        clock: when checkpoints are due; the first fit and the last epoch always get one.
        scale: what the algorithm was built with.
        evaluation: how this session evaluates, for the manifest.
        problem: the record of a problem on data of the user's own, for config.json; None on other tasks.
        models: of other runs, one a seed, for config.json; None: the models are fitted here.

    Raises:
        ExistingRunError, ForeignFileError, InvalidFileError: see RunDirectory.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        task: str,
        variant: str,
        out: Path,
        *,
        resume: bool,
        clock: CheckpointClock,
        scale: Scale,
        evaluation: Mapping[str, Any],
        problem: Mapping[str, Any] | None = None,
        models: Sequence[GivenModel] | None = None,
    ) -> None:
        self.algorithm = algorithm
        self._clock, self._task, self._variant, self._settings = clock, task, variant, scale.settings
        self._fit_metrics: list[Metrics] = [{} for _ in algorithm.seeds]
        self._pause = 0  # of the fit that is going on, see `Place`
        self._newest: list[Metrics] = [{} for _ in algorithm.seeds]  # the newest value of every metric
        self._stopped: dict[int, Result] = {}  # by index of the seed
        self.directories: list[RunDirectory] = []
        settings = dict(algorithm.config())
        own = {} if problem is None else {"problem": dict(problem)}
        given = [None] * len(algorithm.seeds) if models is None else models
        self._notes = [(*algorithm.notes(), *([] if model is None else [model.note])) for model in given]
        try:
            for seed, model, notes in zip(algorithm.seeds, given, self._notes, strict=True):
                path = run_path(out, task, algorithm.name, variant, seed, scale.settings)
                names = {"task": task, "algorithm": algorithm.name, "variant": variant, "seed": seed, **own}
                names |= {} if model is None else {"model_from": model.record()}
                self.directories.append(
                    RunDirectory(
                        path,
                        names | {"settings": settings, "scale": asdict(scale)},
                        device=algorithm.device,
                        arithmetic=algorithm.arithmetic,
                        dataset_sha256=algorithm.dataset_sha256,
                        notes=notes,
                        evaluation=evaluation,
                        resume=resume,
                    )
                )
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def restore(self, epochs: int) -> Place | None:
        """Puts the algorithm back to the newest place that every running seed has a checkpoint of.

        Args:
            epochs: how many are asked for in all.

        Returns:
            Where it is now; None if nothing was trained yet, so that the model needs its first fit.

        Raises:
            InvalidArgumentError: the runs already have more epochs than are asked for.
            ExistingRunError: the seeds have no epoch in common, or a run has no checkpoint that can be read.
            DivergedError: every seed had stopped.
        """
        for index, directory in enumerate(self.directories):
            result = directory.result()
            if result is not None and result.status is Status.STOPPED:
                self._stopped[index] = result
                logger.warning("seed %d stays stopped: %s", self.algorithm.seeds[index], result.message)
        self._check_some_run()
        place = common_place({self.algorithm.seeds[index]: self.directories[index] for index in self._running})
        done = 0 if place is None else place.epoch
        if done > epochs:
            raise InvalidArgumentError(f"epochs is {epochs}, but {done} are already trained; ask for at least {done}.")
        if place is not None:
            for index in range(len(self.directories)):
                self._load(index, place)
            self._pause = place.pause
        for index in self._running:  # of all seeds, before any file is changed
            self.directories[index].check_records(done)
        for index in self._running:
            self.directories[index].start(place)
        if done:
            tell_arithmetic(
                (self.directories[index].earlier_arithmetic for index in self._running), self.algorithm.arithmetic
            )
        return place

    def record_fit(self, done: int, metrics: Sequence[Metrics]) -> None:
        """Notes what the fit after `done` epochs returned; it stands in the row of every epoch until the next fit."""
        self._pause = 0
        for index in self._running:
            self._fit_metrics[index] = metrics[index]
            self._stop_unless_finite(index, done, metrics[index])
        self._check_some_run()

    def record_weights(self, done: int, weights: Sequence[Array]) -> list[Array]:
        """Keeps the weights estimated after `done` epochs, and beside them the exact ones where they are known.

        Returns:
            The weights to refit with, [N] a seed: as given, and one everywhere for seeds that have stopped.

        Raises:
            InvalidDistributionError: weights that are negative or not of mean one.
        """
        exact: Sequence[Array | None] = [None] * len(weights)
        if isinstance(self.algorithm, KnowsExactWeights):
            exact = self.algorithm.exact_weights()
        for index in self._running:
            mean = float(np.mean(weights[index], dtype=np.float64))
            if not self._stop_unless_finite(index, done, {"weights/mean": mean}):
                continue
            if abs(mean - 1.0) > _MEAN_TOLERANCE or weights[index].min() < 0.0:
                raise InvalidDistributionError(
                    f"weights of seed {self.algorithm.seeds[index]} after {done} epochs have mean {mean:.6g} and "
                    f"minimum {weights[index].min():.6g}; expected mean one and nothing negative."
                )
            self.directories[index].save_weights(done, weights[index], exact[index])
        self._check_some_run()
        return [np.ones_like(w) if index in self._stopped else w for index, w in enumerate(weights)]

    def recorded_weights(self, done: int) -> list[Array]:
        """What `record_weights` returned after `done` epochs, for a refit that goes on.  Raises InvalidFileError."""
        weights = {index: self.directories[index].read_weights(done) for index in self._running}
        ones = np.ones_like(next(iter(weights.values())))
        return [weights.get(index, ones) for index in range(len(self.directories))]

    def record_epoch(
        self, epoch: int, improvement: Sequence[Metrics], evaluation: Sequence[Metrics] | None
    ) -> list[Metrics]:
        """Adds a row to every running seed's metrics.

        Args:
            epoch: the row's.
            improvement: what the epoch's updates report.
            evaluation: what was measured after them; None: nothing.

        Returns:
            The newest value of every metric, for each running seed.
        """
        for index in self._running:
            measured = {} if evaluation is None else evaluation[index]
            row = joined(self._fit_metrics[index], improvement[index], measured)
            if self._stop_unless_finite(index, epoch - 1, row):
                self.directories[index].record(epoch, row)
                self._newest[index] = {**self._newest[index], **row}
        self._check_some_run()
        return [self._newest[index] for index in self._running]

    @property
    def wants_checkpoints(self) -> bool:
        """Whether it is time for them."""
        return self._clock.is_due()

    def save_checkpoints(self, epoch: int) -> None:
        """Saves every running seed after `epoch` epochs, whose rows are all recorded."""
        self._save_all(Place(epoch), now=True)

    def save_fit(self, done: int, *, now: bool) -> None:
        """The same in a pause of the fit after `done` epochs, if it is time or `now`."""
        self._pause += 1
        self._save_all(Place(done, self._pause), now=now)

    def finish(self, epochs: int) -> list[SeedResult]:
        """Writes the samples and results of the seeds that are still running, and returns the results of all."""
        if isinstance(self.algorithm, Sampled):
            samples = self.algorithm.samples()
            for index in self._running:
                self.directories[index].save_samples(samples[index])
        results = {index: self.directories[index].finish(epochs, Status.FINISHED) for index in self._running}
        return [
            SeedResult(
                seed=seed,
                task=self._task,
                path=self.directories[index].path,
                variant=self._variant,
                settings=self._settings,
                notes=self._notes[index],
                result=(results | self._stopped)[index],
            )
            for index, seed in enumerate(self.algorithm.seeds)
        ]

    @property
    def in_fit(self) -> bool:
        """Whether a fit of the model has begun and not ended."""
        return self._pause > 0

    @property
    def _running(self) -> list[int]:
        return [index for index in range(len(self.directories)) if index not in self._stopped]

    def _save_all(self, place: Place, *, now: bool) -> None:
        if not now and not self._clock.is_due():
            return
        with self._clock.saving():
            for index in self._running:
                self._save(index, place)
        self._check_some_run()

    def _load(self, index: int, place: Place) -> None:
        """Puts a seed back to `place`; one that has stopped, to its last good checkpoint until then, if any."""
        directory = self.directories[index]
        found = directory.newest_whole(place.epoch) if index in self._stopped else place
        if found is not None:
            checkpoint = directory.read_checkpoint(found)
            checkpoint.put_into(self.algorithm, index)
            self._fit_metrics[index] = checkpoint.fit_metrics

    def _save(self, index: int, place: Place) -> None:
        """Saves a seed, unless a NaN in its state shows that it has diverged: the checkpoint before stays the last."""
        state = self.algorithm.state(index)
        broken = next((name for name, array in state.items() if _has_nan(array)), None)
        if broken is not None:
            self._stop(index, place.epoch, f"tensor '{broken}'", f"has a NaN after epoch {place.epoch}")
            return
        checkpoint = Checkpoint(epoch=place.epoch, pause=place.pause, state=state, fit_metrics=self._fit_metrics[index])
        self.directories[index].save_checkpoint(checkpoint)

    def _stop_unless_finite(self, index: int, done: int, metrics: Metrics) -> bool:
        """Whether the seed goes on; if not, its result after `done` recorded epochs says which metric stopped it."""
        broken = next((name for name, value in metrics.items() if not math.isfinite(value)), None)
        if broken is None:
            return True
        self._stop(index, done, f"metric '{broken}'", f"is {metrics[broken]} in epoch {done + 1}")
        return False

    def _stop(self, index: int, done: int, what: str, how: str) -> None:
        """Ends a seed after `done` recorded epochs."""
        message = f"{what} of seed {self.algorithm.seeds[index]} {how}"
        logger.error("%s: the seed stops here, its last good checkpoint is kept", message)
        self._stopped[index] = self.directories[index].finish(done, Status.STOPPED, message)

    def _check_some_run(self) -> None:
        if not self._running:
            reasons = "; ".join(result.message for result in self._stopped.values())
            raise DivergedError(
                f"every seed has stopped: {reasons}. Train with other settings, or remove the runs below "
                f"{self.directories[0].path.parent} to begin again."
            )

    def _close(self) -> None:
        for directory in self.directories:
            directory.close()


def _has_nan(array: Array) -> bool:
    return array.dtype.kind in "fc" and array.size > 0 and bool(np.isnan(np.min(array)))  # without a copy as large
