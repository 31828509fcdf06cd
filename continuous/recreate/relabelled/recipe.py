"""Makes the data of MOPO's out-of-distribution tasks: `ampl data make halfcheetah-jump --policy FOLDER`.

As in MOPO: SAC is trained for a million steps on another reward, and its whole replay buffer gets the new one. The
folder is one of `ampl data train-behavior halfcheetah-jump` or `ant-angle`. Buffers of plain halfcheetah and ant are
taken too and say so: HalfCheetah's own reward and the one limited to 3 m/s give the same labels, only the policies
that drove there differ.  Source: MOPO, section 5.3 and appendix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from continuous.data.recipes import MakeOptions, Recipe
from continuous.recreate.locomotion.made_data import make_provenance
from continuous.recreate.locomotion.recipe import COPIED_PER_SECOND, DEFAULT_STEPS, behavior
from continuous.recreate.locomotion.training_run import find_training, replay_data
from continuous.tasks.registry import TASKS, Family, Task

if TYPE_CHECKING:
    from continuous.data.d4rl_data import D4RLData, Provenance

_JUMP_REWARD = "min(v_x, 3) - 0.1 |a|^2 + 15 (z - z_init); MOPO prints max for min"
_BEHAVIORS = {"halfcheetah": ("halfcheetah-jump", "halfcheetah"), "ant": ("ant-angle", "ant")}  # MOPO's own first
_UNLIKE_MOPO = {
    "halfcheetah": "its policy was paid for any speed, MOPO's for up to 3 m/s",
    "ant": "its policy saw 84 columns of zeros, too",
}


def recipes() -> Mapping[str, Recipe]:
    """One recipe for each out-of-distribution task, by its name."""
    tasks = [task for task in TASKS.values() if task.family is Family.OUT_OF_DISTRIBUTION]
    return {task.name: _recipe(task) for task in tasks}


def _recipe(task: Task) -> Recipe:
    return Recipe(
        make=partial(_make, task),
        default_steps=DEFAULT_STEPS,
        describe=f"The replay buffer of `ampl data train-behavior {_BEHAVIORS[task.robot][0]}`, or of "
        f"{task.robot}, with the reward {_reward(task)}; --policy names its folder, otherwise --seed does. Fewer rows "
        "if the buffer has fewer.",
        accepts=frozenset({"steps", "seed", "policy"}),
        rows_per_second=COPIED_PER_SECOND,
        **behavior(_BEHAVIORS[task.robot][0]),
    )


def _make(task: Task, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """The buffer after `steps` steps, relabelled.

    Raises:
        InvalidFileError: no training run of the robot there, or one with fewer steps than asked for.
        InvalidArgumentError: the buffer lacks an array that relabelling needs.
    """
    from continuous.recreate.relabelled.relabel import relabel

    run = find_training(task.name, _BEHAVIORS[task.robot], options)
    if options.steps is not None:
        run.check_steps(options.steps)
    rows = min(run.steps, DEFAULT_STEPS) if options.steps is None else options.steps
    data = relabel(task.name, replay_data(run, rows))
    notes = f"replay buffer of SAC on {run.robot} after {rows} steps"
    if rows < DEFAULT_STEPS:
        notes += f", fewer than MOPO's {DEFAULT_STEPS}"
    if run.robot in _UNLIKE_MOPO:
        notes += f" ({_UNLIKE_MOPO[run.robot]})"
    notes += f"; rewards relabelled: {_reward(task)}; paths are cut every 1000 steps"
    return data, make_provenance(task, run.seed, rows, notes)


def _reward(task: Task) -> str:
    if task.robot == "halfcheetah":
        return _JUMP_REWARD
    angle = task.dataset.removeprefix("angle-")
    return f"Ant's with v_x cos {angle} + v_y sin {angle} (degrees) in the place of v_x"
