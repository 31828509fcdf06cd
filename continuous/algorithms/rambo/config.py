"""RAMBO's settings: what there is, what each dataset has, and the variants.

Source: the configurations of the published code, one a dataset. Tasks that are not there get h = 5 and lambda = 3e-4,
the commonest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from ampl.errors import check_at_least
from ampl.scale import Scale
from continuous.algorithms.config import OWN_SETTINGS, ModelBasedConfig, Schedule, small_settings, unchanged_settings
from continuous.algorithms.mopo.config import MOPO_DYNAMICS
from continuous.algorithms.sac.learner import SoftActorCriticConfig, small_learner
from continuous.model.network import DynamicsConfig
from continuous.tasks.registry import Family, Task, TransitionMode

RAMBO_DYNAMICS = replace(MOPO_DYNAMICS, learning_rate=3e-4, holdout_share=0.1, patience=11, bounds_weight=0.001)
"""The published code's but for the bounds on log standard deviations, which are MOPO's; a fit ends when more than ten
looks in a row found no improvement, and the learning rate is the adversary's, too."""


@dataclass(frozen=True, kw_only=True)
class RAMBOConfig(ModelBasedConfig):
    """Hyperparameters of deep RAMBO."""

    adversary_weight: float  # lambda >= 0, by dataset
    cloning_steps: int = 200_000  # of behavior cloning before the first epoch; the published code: 50 passes
    learner: SoftActorCriticConfig = field(
        default_factory=lambda: SoftActorCriticConfig(
            policy_learning_rate=1e-4, temperature_learning_rate=1e-4, target_entropy=None
        )
    )
    transitions: TransitionMode = TransitionMode.MODEL
    dynamics: DynamicsConfig = RAMBO_DYNAMICS
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=2000, real_fraction=0.5))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("adversary_weight", self.adversary_weight, 0.0, "0 is MBPO after behavior cloning.")
        check_at_least("cloning_steps", self.cloning_steps, 0)

    def scaled(self, scale: Scale) -> Self:
        """The same for a shorter run, with no more steps of cloning than updates."""
        scaled = super().scaled(scale)
        updates = scaled.schedule.epochs * scaled.schedule.steps_per_epoch
        return replace(scaled, cloning_steps=min(self.cloning_steps, updates))


PUBLISHED: Mapping[str, tuple[int, float]] = {
    "halfcheetah-random-v2": (5, 0.0),
    "hopper-random-v2": (2, 3e-4),
    "walker2d-random-v2": (5, 0.0),
    "halfcheetah-medium-v2": (5, 3e-4),
    "hopper-medium-v2": (5, 3e-4),
    "walker2d-medium-v2": (5, 0.0),
    "halfcheetah-medium-replay-v2": (5, 3e-4),
    "hopper-medium-replay-v2": (2, 3e-4),
    "walker2d-medium-replay-v2": (5, 0.0),
    "halfcheetah-medium-expert-v2": (5, 3e-4),
    "hopper-medium-expert-v2": (5, 3e-4),
    "walker2d-medium-expert-v2": (2, 3e-4),
}
"""h and lambda by dataset."""

COMMON = (5, 3e-4)


def main_config(task: Task) -> RAMBOConfig:
    """The published settings of a task."""
    length, weight = PUBLISHED.get(task.name, COMMON)
    config = RAMBOConfig(adversary_weight=weight)
    if task.family is Family.LINEAR_GAUSSIAN:
        small = small_settings(config)
        small["dynamics"] = replace(small["dynamics"], learning_rate=1e-3)
        opposed = replace(config, adversary_weight=0.1, cloning_steps=500)
        return replace(opposed, learner=small_learner(config.learner), **small)
    return replace(config, schedule=replace(config.schedule, rollout_length=length))


VARIANTS: Mapping[str, Callable[[RAMBOConfig], RAMBOConfig]] = {
    "main": lambda config: config,
    "no-adversary": lambda config: replace(config, adversary_weight=0.0),
}
"""The algorithm, and the paper's ablation without adversarial training."""


def published_config(task: Task, variant: str) -> RAMBOConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: RAMBOConfig) -> list[str]:
    """One line if no source gives h and lambda of a task."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    if task.name in PUBLISHED:
        return []
    ours = published_config(task, variant)
    kept = unchanged_settings(
        h=(config.schedule.rollout_length, ours.schedule.rollout_length),
        **{"lambda": (config.adversary_weight, ours.adversary_weight)},
    )
    return [f"RAMBO gives no settings for {task.name}: {kept} reconstructed"] if kept else []
