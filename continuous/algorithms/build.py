"""From a task to an algorithm that is ready to train: dataset, settings, simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from ampl.settings import apply_settings
from continuous.algorithms.config import ModelBasedConfig, OfflineConfig
from continuous.algorithms.evaluation import NoEvaluation, TaskEvaluation
from continuous.algorithms.linear_gaussian_truth import TruthEvaluation
from continuous.algorithms.offline import AnyAlgorithm, Measured, Surroundings
from continuous.data.d4rl_data import D4RLData
from continuous.data.dataset import load_dataset
from continuous.data.episodes import episode_returns
from continuous.data.own_problem import check_rule_is_known
from continuous.data.transitions import transition_table
from continuous.environments.oracle import Oracle
from continuous.environments.registry import kept_simulator, robot_for
from continuous.environments.start_states import reset_states
from continuous.evaluation.evaluator import Evaluation, task_evaluator
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.tasks.registry import Family, Task
from continuous.tasks.termination import bounded, model_rule


def build(
    algorithm: type[AnyAlgorithm],
    presets: ModuleType,
    task: Task,
    variant: str,
    seeds: Sequence[int],
    device: str,
    scale: Scale,
    arithmetic: Arithmetic,
) -> AnyAlgorithm:
    """An algorithm on the dataset of a task, which is searched in D4RL's cache folders.

    Args:
        algorithm: its class.
        presets: its settings; see `continuous.algorithms.factory.DeepFactory`.
        task: of D4RL, of MOPO's own, or a plugin's.
        variant: of the algorithm.
        seeds: trained side by side.
        device: "cpu" or "cuda".
        scale: how much smaller than the published runs, and which settings are others.
        arithmetic: threads, which step simulators too, and precision.

    Raises:
        InvalidFileError: no dataset, or a damaged one.
        InvalidArgumentError: a scale or settings that the algorithm cannot take.
    """
    _check_asked_once(scale)
    published = apply_settings(presets.published_config(task, variant), scale.settings)
    config = apply_settings(published.scaled(scale), scale.settings)  # again: what is asked for is not scaled
    notes = presets.preset_notes(task, variant, config)
    built = assemble(algorithm, task, published, config, seeds, notes=notes, device=device, arithmetic=arithmetic)
    if isinstance(built.surroundings.evaluation, TruthEvaluation):
        built.surroundings.evaluation.check(built.learner.discount)
    return built


def assemble(
    algorithm: type[AnyAlgorithm],
    task: Task,
    published: OfflineConfig,
    config: OfflineConfig,
    seeds: Sequence[int],
    *,
    notes: Sequence[str] = (),
    device: str = "cpu",
    arithmetic: Arithmetic = DEFAULT,
    path: Path | None = None,
) -> AnyAlgorithm:
    """An algorithm with any settings.

    Args:
        algorithm: its class.
        task: what to train on.
        published: the settings that these are compared with, for the notes.
        config: the settings.
        seeds: trained side by side.
        notes: what else the user should know.
        device: "cpu" or "cuda".
        arithmetic: threads, which step simulators too, and precision.
        path: the dataset; searched in D4RL's cache folders if not given.

    Raises:
        InvalidArgumentError: settings that do not go together, or the task lacks what they need, such as a simulator of
            it that shows its states.
        InvalidFileError: the dataset is not there, or damaged.
    """
    config.check_whole_epochs()
    oracle = Oracle(robot_for(task), arithmetic.threads) if config.needs_true_step else None
    if task.has_environment:
        kept_simulator(task, arithmetic.threads)  # before the data, so that what the task lacks is said at once
    data = load_dataset(task, path)
    table = transition_table(data, task, config.transitions, device)
    rule, scaled = model_rule(task), config != published
    if isinstance(config, ModelBasedConfig):
        check_rule_is_known(task, data)
        rule = rule if config.largest_state is None else bounded(rule, config.largest_state)
    surroundings = Surroundings(
        termination=rule,
        start_states=None if task.own else partial(start_states_of, task),
        true_step=None if oracle is None else true_step(oracle),
        evaluation=evaluation_of(task, arithmetic),
        description=describe(data, task, table.n_transitions) | {"scaled": scaled},
        dataset_sha256=data.sha256,
        arithmetic=arithmetic,
        notes=[*([config.scale_note(published)] if scaled else []), *notes, *(task.own.notes if task.own else ())],
    )
    return algorithm.on_data(table, config, seeds, surroundings)


_OPTIONS = {
    "schedule.steps_per_epoch": ("steps_per_epoch", "--steps-per-epoch"),
    "dynamics.max_steps": ("model_steps", "--model-steps"),
    "weights.steps": ("weight_steps", "--miw-steps"),
}
"""Settings that an option of its own sets too: key, field of `Scale`, option."""


def _check_asked_once(scale: Scale) -> None:
    """Raises:
    InvalidArgumentError: a count is asked for by an option and as a setting.
    """
    for key, (name, option) in _OPTIONS.items():
        if key in scale.settings and getattr(scale, name) is not None:
            raise InvalidArgumentError(f"{option} and the setting {key} are both given; leave one of them out.")


def evaluation_of(task: Task, arithmetic: Arithmetic) -> Measured:
    """What measures an algorithm on a task; where the truth is known, it is measured too."""
    if not task.has_environment:
        return NoEvaluation()
    parts: dict[str, Any] = {
        "evaluator": partial(task_evaluator, task, arithmetic.threads),
        "score": partial(Evaluation.metrics, task=task, discounted=True),
        "episode_limit": task.episode_limit,
    }
    if task.family is Family.LINEAR_GAUSSIAN:
        return TruthEvaluation(find_linear_gaussian(task.name), **parts)
    return TaskEvaluation(**parts)


def start_states_of(task: Task, count: int) -> Tensor:
    """States that episodes start from, [count, D], the same for every seed of a run."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return torch.from_numpy(find_linear_gaussian(task.name).starts(count)).float()
    return torch.from_numpy(reset_states(robot_for(task), count))


def true_step(oracle: Oracle) -> Callable[[Tensor, Tensor], Tensor]:
    """T on tensors of any device, by the simulator on this machine's processor."""

    def step(state: Tensor, action: Tensor) -> Tensor:
        observations, actions = (rows.flatten(0, 1).cpu().numpy() for rows in (state, action))
        return torch.from_numpy(oracle.next_observations(observations, actions)).to(state).view_as(state)

    return step


def describe(data: D4RLData, task: Task, transitions: int) -> dict[str, Any]:
    """What config.json says of the data.

    Args:
        data: the file.
        task: whose file it is.
        transitions: how many are taken from it.
    """
    source = task.own.source if task.own else "unknown" if data.provenance is None else data.provenance.source
    facts: dict[str, Any] = {"source": source, "transitions": transitions, "sha256": data.sha256}
    if task.family is Family.LINEAR_GAUSSIAN:
        facts |= find_linear_gaussian(task.name).description()
    returns = episode_returns(data)
    if task.family is Family.MAZE2D or not len(returns):  # in the maze, segments end where a target was reached
        return facts
    return facts | {"episode_return_mean": float(returns.mean()), "episode_return_max": float(returns.max())}
