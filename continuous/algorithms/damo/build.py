"""From names to a deep DAMO that is ready to train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ampl.arithmetic import Arithmetic
from ampl.scale import Scale
from continuous.algorithms.damo.damo import DAMO, DAMOConfig, Starts
from continuous.algorithms.damo.presets import COMMON, TABLE4, published_config
from continuous.algorithms.offline_task import offline_task
from continuous.algorithms.scaling import check_no_weight_steps, scale_notes
from continuous.tasks.registry import find_task


def build_damo(
    task_name: str, variant: str, seeds: Sequence[int], device: str, scale: Scale, arithmetic: Arithmetic
) -> DAMO:
    """DAMO on the dataset of a task; arguments and errors as for `mopo_build.build_mopo`."""
    task = find_task(task_name)
    published = published_config(task, variant)
    config = scaled(published, scale)
    notes = [*scale_notes(published, config)]
    if task.name not in TABLE4:
        notes.append(f"{task.name} is not in DAMO's Table 4; alpha = {COMMON[0]:g} and h = {COMMON[1]} are taken")
    notes.append("DAMO's formulas and some settings are reconstructed; see docs/model_based.md")
    table, surroundings = offline_task(
        task,
        device=device,
        arithmetic=arithmetic,
        scaled=config != published,
        notes=notes,
        transitions=config.transitions,
        largest_state=config.largest_state,
        episode_starts=config.starts is Starts.EPISODES,
    )
    return DAMO(table, config, seeds, surroundings)


def scaled(config: DAMOConfig, scale: Scale) -> DAMOConfig:
    """The same settings with other counts of epochs and updates."""
    check_no_weight_steps(scale)
    schedule = config.schedule.scaled(epochs=scale.epochs, steps_per_epoch=scale.steps_per_epoch)
    return replace(config, schedule=schedule, dynamics=config.dynamics.limited(scale.model_steps))
