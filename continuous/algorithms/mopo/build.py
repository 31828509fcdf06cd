"""From names to a deep MOPO that is ready to train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ampl.arithmetic import Arithmetic
from ampl.scale import Scale
from continuous.algorithms.mopo.mopo import MOPO, MOPOConfig
from continuous.algorithms.mopo.penalties import Penalty, TrueStep
from continuous.algorithms.mopo.presets import preset_notes, published_config
from continuous.algorithms.offline_task import offline_task
from continuous.algorithms.scaling import check_no_weight_steps, scale_notes
from continuous.environments.oracle import Oracle
from continuous.environments.registry import robot_for
from continuous.tasks.registry import find_task


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
