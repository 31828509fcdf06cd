"""From names to a deep AMPL that is ready to train: dataset, settings, simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from continuous.algorithms.ampl.ampl import AMPL
from continuous.algorithms.ampl.config import AMPLConfig
from continuous.algorithms.ampl.offline_data import offline_table, reset_states
from continuous.algorithms.ampl.presets import PUBLISHED, published_config
from continuous.algorithms.offline_task import describe
from continuous.data.dataset import load_dataset
from continuous.data.transitions import TransitionMode
from continuous.environments.registry import robot_for
from continuous.evaluation.evaluator import Evaluation, task_evaluator
from continuous.tasks.registry import Task, find_task
from continuous.tasks.termination import find_termination


def build_ampl(
    task_name: str, variant: str, seeds: Sequence[int], device: str, scale: Scale, arithmetic: Arithmetic
) -> AMPL:
    """AMPL on the dataset of a task, which is searched in D4RL's cache folders.

    Args:
        task_name: of D4RL.
        variant: one of `ampl_presets.VARIANTS`.
        seeds: trained side by side.
        device: "cpu" or "cuda".
        scale: how much smaller than the published runs.
        arithmetic: threads, which step simulators too, and precision.

    Raises:
        InvalidFileError: no dataset, or a damaged one.
        InvalidArgumentError: a scale that the schedule cannot take, or certificates, which AMPL has none of.
    """
    if scale.certificate_period is not None:
        raise InvalidArgumentError("--certificates-every is given; AMPL measures no certificates. Leave it out.")
    task = find_task(task_name)
    published = published_config(task, variant)
    return assemble(task, published, scaled(published, scale), seeds, device=device, arithmetic=arithmetic)


def assemble(
    task: Task,
    published: AMPLConfig,
    config: AMPLConfig,
    seeds: Sequence[int],
    *,
    device: str = "cpu",
    arithmetic: Arithmetic = DEFAULT,
    path: Path | None = None,
) -> AMPL:
    """AMPL with any settings.

    Args:
        task: what to train on.
        published: the settings that these are compared with, for the notes.
        config: the settings.
        seeds: trained side by side.
        device: "cpu" or "cuda".
        arithmetic: threads, which step simulators too, and precision.
        path: the dataset; searched in D4RL's cache folders if not given.
    """
    robot = robot_for(task)  # before the data, so that a task without one is refused at once
    dataset = load_dataset(task, path=path, mode=TransitionMode.EXACT, device=device)
    return AMPL(
        offline_table(dataset, reset_states(robot, config.schedule.start_states)),
        config,
        seeds,
        termination=find_termination(task),
        evaluator=partial(task_evaluator, task, arithmetic.threads),
        score=partial(Evaluation.metrics, task=task),
        description=describe(dataset) | {"scaled": config != published},
        dataset_sha256=dataset.sha256,
        arithmetic=arithmetic,
        notes=run_notes(task, published, config),
    )


def scaled(config: AMPLConfig, scale: Scale) -> AMPLConfig:
    """The same settings with fewer epochs, shorter epochs, or fewer updates of the weights or the model.

    An estimator never makes more updates than it was published with: VPM's are 2000, not 100,000.
    """
    schedule = config.schedule.scaled(epochs=scale.epochs, steps_per_epoch=scale.steps_per_epoch)
    weights = config.weights
    if weights is not None and scale.weight_steps is not None:
        weights = replace(weights, steps=min(weights.steps, scale.weight_steps))
    return replace(config, schedule=schedule, weights=weights, dynamics=config.dynamics.limited(scale.model_steps))


def run_notes(task: Task, published: AMPLConfig, config: AMPLConfig) -> list[str]:
    """What the user should know of these settings: how much smaller they are, and whether they were published."""
    notes = []
    if config != published:
        before, after = published.schedule, config.schedule
        line = (
            f"scaled: {after.epochs} epochs of {after.steps_per_epoch} steps instead of {before.epochs} of "
            f"{before.steps_per_epoch}"
        )
        if config.weights is not None:
            line += f", retraining every {after.retrain_period} epochs"
            if published.weights is not None:
                line += f", {config.weights.steps:,} weight steps instead of {published.weights.steps:,}"
        if config.dynamics.max_steps < published.dynamics.max_steps:
            line += f", at most {config.dynamics.max_steps:,} steps in each fit of the model"
        notes.append(line)
    if task.name not in PUBLISHED:
        notes.append(f"{task.name} was not among the published runs: its settings are its family's.")
    return notes
