"""MOBILE's settings: what there is and what each dataset has.

Source: the suggestions of OfflineRL-Kit, the authors' library; docs/baselines_model_based.md says where the paper's
release has others. Tasks that are not there get h = 5 and beta = 0.5, the commonest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import InvalidArgumentError, check_at_least
from continuous.algorithms.config import OWN_SETTINGS, ModelBasedConfig, Schedule, small_settings, unchanged_settings
from continuous.algorithms.learner import Decay
from continuous.algorithms.mobile.learner import MOBILELearnerConfig
from continuous.algorithms.mopo.config import KIT_DYNAMICS, largest_state
from continuous.algorithms.sac.learner import KIT_LEARNER, small_learner
from continuous.model.network import DynamicsConfig
from continuous.tasks.registry import LOCOMOTION, Family, Task, TransitionMode


@dataclass(frozen=True, kw_only=True)
class MOBILEConfig(ModelBasedConfig):
    """Hyperparameters of deep MOBILE."""

    penalty_weight: float  # beta >= 0, by dataset
    sampled_states: int = 10  # n next states of each elite that U is estimated from
    learner: MOBILELearnerConfig = field(default_factory=lambda: MOBILELearnerConfig(**vars(KIT_LEARNER)))
    transitions: TransitionMode = TransitionMode.MODEL  # as in the authors' code
    dynamics: DynamicsConfig = KIT_DYNAMICS
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=3000))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("penalty_weight", self.penalty_weight, 0.0, "0 is MBPO with hard targets.")
        check_at_least("sampled_states", self.sampled_states, 1)
        check_at_least("elites", self.dynamics.elites, 2, "U is a spread over them.")
        if self.schedule.real_rows(1) == self.schedule.batch_size:
            raise InvalidArgumentError(
                f"real_fraction is {self.schedule.real_fraction:g}: no row of {self.schedule.batch_size} is of the "
                "model, whose rows alone are charged; expected less."
            )


KIT: Mapping[str, tuple[int, float]] = {
    "halfcheetah-random-v2": (5, 0.5),
    "hopper-random-v2": (5, 5.0),
    "walker2d-random-v2": (5, 2.0),
    "halfcheetah-medium-v2": (5, 0.5),
    "hopper-medium-v2": (5, 1.5),
    "walker2d-medium-v2": (5, 0.5),
    "halfcheetah-medium-replay-v2": (5, 0.1),
    "hopper-medium-replay-v2": (5, 0.1),
    "walker2d-medium-replay-v2": (1, 0.5),
    "halfcheetah-medium-expert-v2": (5, 2.0),
    "hopper-medium-expert-v2": (5, 1.5),
    "walker2d-medium-expert-v2": (1, 1.5),
}
"""h and beta by dataset."""

RELEASED = ("pen-human-v1", "pen-cloned-v1")
"""Other tasks that the paper's release has settings for; docs/baselines_model_based.md has them."""

COMMON = (5, 0.5)
_FIXED_TEMPERATURE = {"hopper-medium-v2": 0.2}


def main_config(task: Task) -> MOBILEConfig:
    """OfflineRL-Kit's settings of a task; targets are bounded by 0 on D4RL's locomotion only."""
    length, weight = KIT.get(task.name, COMMON)
    config = MOBILEConfig(penalty_weight=weight, largest_state=largest_state(task))
    learner = config.learner
    if task.family is Family.LINEAR_GAUSSIAN:
        small = replace(small_learner(learner), policy_learning_rate_decay=Decay.NONE)
        return replace(config, learner=small, **small_settings(config))
    if task.family in LOCOMOTION:
        learner = replace(learner, lowest_target=0.0)
    if temperature := _FIXED_TEMPERATURE.get(task.name):
        learner = replace(learner, initial_log_temperature=math.log(temperature), temperature_learning_rate=0.0)
    return replace(config, learner=learner, schedule=replace(config.schedule, rollout_length=length))


VARIANTS: Mapping[str, Callable[[MOBILEConfig], MOBILEConfig]] = {"main": lambda config: config}


def published_config(task: Task, variant: str) -> MOBILEConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: MOBILEConfig) -> list[str]:
    """One line if OfflineRL-Kit gives no h and beta of a task."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    if task.name in KIT:
        return []
    ours = published_config(task, variant)
    kept = unchanged_settings(
        h=(config.schedule.rollout_length, ours.schedule.rollout_length),
        beta=(config.penalty_weight, ours.penalty_weight),
    )
    if not kept:
        return []
    others = "; the paper's release has others" if task.name in RELEASED else ""
    return [f"OfflineRL-Kit gives no settings of MOBILE for {task.name}: {kept} reconstructed{others}"]
