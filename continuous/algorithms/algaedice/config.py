"""AlgaeDICE's settings and variants.

Source: the published code's defaults, which D4RL's evaluation kept for every dataset, with its 500,000 updates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from continuous.algorithms.algaedice.learner import UPDATES, AlgaeDICELearnerConfig
from continuous.algorithms.config import (
    OWN_SETTINGS,
    OfflineConfig,
    UpdateSchedule,
    published_transitions,
    small_settings,
)
from continuous.algorithms.sac.learner import small_learner
from continuous.tasks.registry import Family, Task


@dataclass(frozen=True, kw_only=True)
class AlgaeDICEConfig(OfflineConfig):
    """Hyperparameters of deep AlgaeDICE."""

    learner: AlgaeDICELearnerConfig = field(default_factory=AlgaeDICELearnerConfig)
    schedule: UpdateSchedule = field(default_factory=lambda: UpdateSchedule(epochs=500))

    @property
    def steps_unit(self) -> int:
        """Updates of the critics for each of the policy."""
        return UPDATES


VARIANTS: Mapping[str, Callable[[AlgaeDICEConfig], AlgaeDICEConfig]] = {
    "main": lambda config: config,
    "benchmark": lambda config: replace(config, learner=replace(config.learner, bootstraps=False)),
}
"""The algorithm, and as D4RL's evaluation ran it."""


def published_config(task: Task, variant: str) -> AlgaeDICEConfig:
    """The settings of a variant on a task."""
    config = AlgaeDICEConfig(transitions=published_transitions(task))
    if task.family is Family.LINEAR_GAUSSIAN:
        learner = replace(config.learner, alpha=3.0, learner=small_learner(config.learner.learner))
        config = replace(config, learner=learner, **small_settings(config))
    return VARIANTS[variant](config)


def preset_notes(task: Task, variant: str, config: AlgaeDICEConfig) -> list[str]:
    """What no source gives."""
    return [OWN_SETTINGS.format(task=task.name)] if task.family is Family.LINEAR_GAUSSIAN else []
