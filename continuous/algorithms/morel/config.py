"""MOReL's settings: what there is, and the variants.

Source: the grids of Unifloral's sweep: thresholds of 0 to 25, and 30 to 200 below the smallest reward. Both are tuned
for each dataset; without the values that came of it, every task gets the same. Soft actor-critic's settings are
OfflineRL-Kit's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import check_at_least
from ampl.settings import MAY_BE_INFINITE
from continuous.algorithms.config import OWN_SETTINGS, ModelBasedConfig, Schedule, small_settings
from continuous.algorithms.learner import Decay
from continuous.algorithms.mopo.config import KIT_DYNAMICS, largest_state
from continuous.algorithms.sac.learner import KIT_LEARNER, SoftActorCriticConfig, small_learner
from continuous.model.network import DynamicsConfig
from continuous.tasks.registry import Family, Task, TransitionMode


@dataclass(frozen=True, kw_only=True)
class MOReLConfig(ModelBasedConfig):
    """Hyperparameters of deep MOReL."""

    threshold_coefficient: float = field(default=5.0, metadata=MAY_BE_INFINITE)  # beta, std of disc; inf: nothing halts
    halt_cost: float = 30.0  # how far -kappa is below the data's smallest reward, >= 0, reward units
    learner: SoftActorCriticConfig = KIT_LEARNER
    transitions: TransitionMode = TransitionMode.MODEL
    dynamics: DynamicsConfig = field(default_factory=lambda: replace(KIT_DYNAMICS, members=4, elites=4))
    schedule: Schedule = field(default_factory=lambda: Schedule(real_fraction=0.0))  # all of the pessimistic MDP

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("threshold_coefficient", self.threshold_coefficient, 0.0, "inf: nothing halts.")
        check_at_least("halt_cost", self.halt_cost, 0.0)
        check_at_least("elites", self.dynamics.elites, 2, "The members are compared with each other.")


def main_config(task: Task) -> MOReLConfig:
    """The settings of a task."""
    config = MOReLConfig(largest_state=largest_state(task))
    if task.family is Family.LINEAR_GAUSSIAN:
        small = replace(small_learner(config.learner), policy_learning_rate_decay=Decay.NONE)
        return replace(config, learner=small, **small_settings(config))
    return config


VARIANTS: Mapping[str, Callable[[MOReLConfig], MOReLConfig]] = {
    "main": lambda config: config,
    "no-pessimism": lambda config: replace(config, threshold_coefficient=math.inf),
}
"""The algorithm, and the paper's naive planning in the model."""


def published_config(task: Task, variant: str) -> MOReLConfig:
    """The settings of a variant on a task."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: MOReLConfig) -> list[str]:
    """That the threshold and the price of halting are reconstructed."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    return ["MOReL tunes its threshold and its price of halting for each dataset; here they are the same for all"]
