"""From names to a deep MOPO that is ready to train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from ampl.arithmetic import Arithmetic
from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from continuous.branched_schedule import BranchedSchedule
from continuous.dynamics import DynamicsConfig
from continuous.mopo import MOPO, MOPOConfig
from continuous.mopo_presets import preset_notes, published_config
from continuous.penalties import Penalty, TrueStep
from continuous.simulators.oracle import Oracle
from continuous.simulators.registry import robot_for
from continuous.surroundings import offline_task
from continuous.tasks import find_task


class Scalable(Protocol):
    """The settings of MOPO or DAMO, as far as a scale changes them."""

    @property
    def schedule(self) -> BranchedSchedule:
        """Counts of epochs and updates."""

    @property
    def dynamics(self) -> DynamicsConfig:
        """The model and its fit."""


def build_mopo(
    task_name: str, variant: str, seeds: Sequence[int], device: str, scale: Scale, arithmetic: Arithmetic
) -> MOPO:
    """MOPO on the dataset of a task.

    Args:
        task_name: of D4RL.
        variant: one of `mopo_presets.VARIANTS`.
        seeds: trained side by side.
        device: "cpu" or "cuda".
        scale: how much smaller than the published runs.
        arithmetic: threads, which step simulators too, and precision.

    Raises:
        InvalidFileError: no dataset, or a damaged one.
        InvalidArgumentError: steps for the estimation of weights, which there is none of; or the penalty is the true
            error and the task's observations do not show its whole state.
    """
    task = find_task(task_name)
    published = published_config(task, variant)
    config = scaled(published, scale)
    notes = [*scale_notes(published, config), *preset_notes(task, variant, config)]
    oracle = Oracle(robot_for(task), arithmetic.threads) if config.penalty is Penalty.TRUE_ERROR else None
    table, surroundings = offline_task(
        task,
        device=device,
        arithmetic=arithmetic,
        scaled=config != published,
        notes=notes,
        transitions=config.transitions,
        largest_state=config.largest_state,
    )
    return MOPO(table, config, seeds, surroundings, None if oracle is None else true_step(oracle))


def true_step(oracle: Oracle) -> TrueStep:
    """T on tensors of any device, by the simulator on this machine's processor."""

    def step(state: Tensor, action: Tensor) -> Tensor:
        observations, actions = (rows.flatten(0, 1).cpu().numpy() for rows in (state, action))
        return torch.from_numpy(oracle.next_observations(observations, actions)).to(state).view_as(state)

    return step


def scaled(config: MOPOConfig, scale: Scale) -> MOPOConfig:
    """The same settings with other counts of epochs and updates."""
    check_no_weight_steps(scale)
    schedule = config.schedule.scaled(epochs=scale.epochs, steps_per_epoch=scale.steps_per_epoch)
    return replace(config, schedule=schedule, dynamics=config.dynamics.limited(scale.model_steps))


def check_no_weight_steps(scale: Scale) -> None:
    """Raises InvalidArgumentError if steps are asked for that only the estimation of weights has."""
    if scale.weight_steps is not None:
        raise InvalidArgumentError("--miw-steps is given; only AMPL estimates importance weights. Leave it out.")


def scale_notes(published: Scalable, config: Scalable) -> list[str]:
    """One line if a run is not as long as published."""
    before, after = published.schedule, config.schedule
    if (after, config.dynamics) == (before, published.dynamics):
        return []
    line = (
        f"scaled: {after.epochs} epochs of {after.steps_per_epoch} steps instead of {before.epochs} of "
        f"{before.steps_per_epoch}"
    )
    if config.dynamics != published.dynamics:
        line += f", at most {config.dynamics.max_steps:,} steps in the fit of the model"
    return [line]
