"""The driver: AMPL's Algorithm 1 around any algorithm of either wing, written down once.

    Initialize the model by maximum likelihood, or take that of another run        (Eq. 4)
    for every epoch:
        if epochs so far are a multiple of the retraining period:
            estimate the weights of the current policy                             (Eq. 11)
            refit the model by weighted maximum likelihood                         (Eq. 6)
        roll out the model, update critics, discriminator and policy               (Eqs. 12-17: the algorithm's own)
        evaluate if it is time, record, checkpoint

Source: "A Unified Framework for Alternating Offline Model Training and Policy Learning" (NeurIPS 2022), Algorithm 1.
The paper counts iterations, and tests the one about to run; here an epoch is a fixed number of iterations, and the test
is on the epochs completed, so that the first refit follows one whole period of policy updates. MOPO and DAMO are the
same loop with other settings: MOPO never retrains.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.evaluation_queue import choose_workers, evaluation_queue
from ampl.evaluation_schedule import evaluation_schedule
from ampl.interfaces import Algorithm, Array
from ampl.interruption import stop_if_requested, stop_requested
from ampl.pauses import at_pauses
from ampl.progress import progress
from ampl.runs.checkpoint_clock import CheckpointClock
from ampl.runs.given_models import GivenModel, take_models
from ampl.runs.headline import headline
from ampl.runs.recorder import Recorder
from ampl.runs.seed_result import SeedResult
from ampl.scale import AS_PUBLISHED, Scale

logger = logging.getLogger(__name__)


def train(
    algorithm: Algorithm,
    *,
    task: str,
    variant: str,
    epochs: int,
    out: Path,
    resume: bool = False,
    checkpoint_seconds: float = 30.0,
    checkpoint_share: float = 0.05,
    scale: Scale = AS_PUBLISHED,
    evaluation_workers: int | None = None,
    problem: Mapping[str, Any] | None = None,
    models: Sequence[GivenModel] | None = None,
) -> list[SeedResult]:
    """Trains all seeds of an algorithm and records everything; an interrupted run continues bit for bit.

    Inside `ampl.interruption.saving_first`, Ctrl-C and SIGTERM let the epoch end, or a fit come to its next pause, and
    get a checkpoint first.

    Args:
        algorithm: freshly built; its state is replaced when a run is resumed.
        task: name of the task, part of the run directory's path.
        variant: name of the variant, likewise.
        epochs: how many in all, >= 1, those of the resumed run included.
        out: folder of all runs.
        resume: continue runs that are already there; where there are none, start.
        checkpoint_seconds: least time between two checkpoints, >= 0; the first fit and the last epoch always get one.
        checkpoint_share: largest part of the run that may be spent on checkpoints, in (0, 1]; large ones come later.
        scale: what the algorithm was built with, so that `ampl evaluate` can build it again, and how to evaluate.
        evaluation_workers: processes that evaluate while training goes on, >= 0; None: see `choose_workers`. Nothing
            that is recorded depends on it.
        problem: see `Recorder`.
        models: one a seed, in place of the first fit; None: fit them.

    Returns:
        One result a seed, in the order of `algorithm.seeds`.

    Raises:
        InvalidArgumentError: epochs < 1, fewer epochs than already trained, seeds that repeat, evaluations that
            cannot be, or models for an algorithm that takes none.
        ExistingRunError, ForeignFileError, InvalidFileError: a run directory cannot be used; the message says why.
        DivergedError: every seed produced a metric that is not finite.
        LostWorkerError: a worker was killed.
        Interruption: a signal asked for it.
    """
    check_at_least("epochs", epochs, 1, "A run of zero epochs trains nothing.")
    check_seeds(algorithm.seeds)
    if algorithm.retrain_period is not None:
        check_at_least("retrain_period", algorithm.retrain_period, 1, "None switches retraining off.")
    if models is not None:
        take_models(algorithm, task, models)
    clock = CheckpointClock(checkpoint_seconds, checkpoint_share)
    schedule = evaluation_schedule(scale, epochs, exact=algorithm.evaluates_exactly)
    workers = choose_workers(evaluation_workers, algorithm)
    evaluation = {**schedule.as_json(), "workers": workers}
    with (
        Recorder(
            algorithm,
            task,
            variant,
            out,
            resume=resume,
            clock=clock,
            scale=scale,
            evaluation=evaluation,
            problem=problem,
            models=models,
        ) as recorder,
        evaluation_queue(recorder, workers) as rows,
    ):
        for note in algorithm.notes():
            logger.info("%s", note)
        place = recorder.restore(epochs)
        done = 0 if place is None else place.epoch
        if place is None or (recorder.in_fit and done == 0):
            _fit(recorder, 0, None)  # Eq. 4
            recorder.save_checkpoints(0)
        stop_if_requested()  # what is done so far is saved
        with progress(f"{algorithm.name} on {task}", epochs - done) as bar:
            for epoch in range(done + 1, epochs + 1):
                if _is_retraining_due(epoch - 1, algorithm.retrain_period):
                    rows.record_all()
                    if recorder.in_fit:  # it was interrupted, and goes on
                        weights = recorder.recorded_weights(epoch - 1)
                    else:
                        weights = recorder.record_weights(epoch - 1, algorithm.estimate_weights())  # Eq. 11
                    _fit(recorder, epoch - 1, weights)  # Eq. 6
                start = time.monotonic()
                improvement = algorithm.improve_policy(epoch)  # Eqs. 12-17
                steps_per_second = algorithm.steps_per_epoch / max(time.monotonic() - start, 1e-9)
                request = schedule.request(epoch)
                rows.add(epoch, improvement, None if request is None else algorithm.evaluations(request))
                stopping = stop_requested()
                if stopping or epoch == epochs or recorder.wants_checkpoints:
                    rows.record_all()
                    recorder.save_checkpoints(epoch)
                bar.show(headline(rows.newest, steps_per_second))
                bar.advance()
                if stopping:
                    stop_if_requested()
        return recorder.finish(epochs)


def check_seeds(seeds: Sequence[int]) -> None:
    """Raises InvalidArgumentError unless there are some, each >= 0, no two equal."""
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InvalidArgumentError(f"seeds are {list(seeds)}; expected at least one, each >= 0, no two equal.")


def _fit(recorder: Recorder, done: int, weights: Sequence[Array] | None) -> None:
    """Fits the model after `done` epochs, and saves what it has come to in its pauses."""

    def save() -> None:
        stopping = stop_requested()
        recorder.save_fit(done, now=stopping)
        if stopping:
            stop_if_requested()

    with at_pauses(save):
        metrics = recorder.algorithm.fit_model(weights)
    recorder.record_fit(done, metrics)


def _is_retraining_due(done: int, period: int | None) -> bool:
    """Whether `done` epochs are a multiple of the period; never before the first epoch."""
    return period is not None and done > 0 and done % period == 0
