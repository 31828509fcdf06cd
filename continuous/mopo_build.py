"""From names to a deep MOPO that is ready to train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from continuous.branched_schedule import BranchedSchedule
from continuous.mopo import MOPO, MOPOConfig
from continuous.mopo_presets import VARIANTS, main_config
from continuous.surroundings import offline_task
from continuous.tasks import find_task


def build_mopo(
    task_name: str, variant: str, seeds: Sequence[int], device: str, scale: Scale, threads: int | None
) -> MOPO:
    """MOPO on the dataset of a task.

    Args:
        task_name: of D4RL.
        variant: one of `VARIANTS`.
        seeds: trained side by side.
        device: "cpu" or "cuda".
        scale: how much smaller than the published runs.
        threads: of PyTorch on a CPU; None takes one for each core that is free.

    Raises:
        InvalidFileError: no dataset, or a damaged one.
        InvalidArgumentError: steps for the estimation of weights, which there is none of.
    """
    task = find_task(task_name)
    published = VARIANTS[variant](main_config(task), task)
    config = scaled(published, scale)
    notes = scale_notes(published.schedule, config.schedule)
    table, surroundings = offline_task(task, device=device, threads=threads, scaled=config != published, notes=notes)
    return MOPO(table, config, seeds, surroundings)


def scaled(config: MOPOConfig, scale: Scale) -> MOPOConfig:
    """The same settings with other counts of epochs and updates."""
    check_no_weight_steps(scale)
    schedule = config.schedule.scaled(epochs=scale.epochs, steps_per_epoch=scale.steps_per_epoch)
    dynamics = replace(config.dynamics, steps_per_epoch=schedule.steps_per_epoch)
    return replace(config, schedule=schedule, dynamics=dynamics)


def check_no_weight_steps(scale: Scale) -> None:
    """Raises InvalidArgumentError if steps are asked for that only the estimation of weights has."""
    if scale.weight_steps is not None:
        raise InvalidArgumentError("--miw-steps is given; only AMPL estimates importance weights. Leave it out.")


def scale_notes(published: BranchedSchedule, schedule: BranchedSchedule) -> list[str]:
    """One line if a run is not as long as published."""
    if schedule == published:
        return []
    return [
        f"scaled: {schedule.epochs} epochs of {schedule.steps_per_epoch} steps instead of {published.epochs} of "
        f"{published.steps_per_epoch}"
    ]
