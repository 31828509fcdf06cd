"""O-DICE's settings and variants.

Source: the published code's defaults for offline reinforcement learning. The paper chooses lambda and eta for each
dataset, in its appendix, to which the code refers; `--set learner.dual_weight=VALUE learner.backward_weight=VALUE` sets
others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import check_positive
from continuous.algorithms.config import (
    OWN_SETTINGS,
    OfflineConfig,
    UpdateSchedule,
    published_transitions,
    small_settings,
    unchanged_settings,
)
from continuous.algorithms.iql.config import published_return_range
from continuous.algorithms.odice.learner import ODICELearnerConfig, ValueGradient
from continuous.tasks.registry import Family, Task


@dataclass(frozen=True, kw_only=True)
class ODICEConfig(OfflineConfig):
    """Hyperparameters of deep O-DICE."""

    learner: ODICELearnerConfig = field(default_factory=ODICELearnerConfig)
    return_range: float | None = None  # rewards are scaled so that the episodes' returns span it; None: as they are
    schedule: UpdateSchedule = field(default_factory=UpdateSchedule)

    def __post_init__(self) -> None:
        """Checks the range."""
        super().__post_init__()
        if self.return_range is not None:
            check_positive("return_range", self.return_range, "None: rewards as they are.")


def _gradient(kind: ValueGradient) -> Callable[[ODICEConfig], ODICEConfig]:
    return lambda config: replace(config, learner=replace(config.learner, gradient=kind))


VARIANTS: Mapping[str, Callable[[ODICEConfig], ODICEConfig]] = {
    "main": lambda config: config,
    "true-gradient": _gradient(ValueGradient.TRUE),
    "semi-gradient": _gradient(ValueGradient.SEMI),
}
"""The algorithm, and the two gradients that the paper compares it with."""


def published_config(task: Task, variant: str) -> ODICEConfig:
    """The settings of a variant on a task."""
    config = ODICEConfig(transitions=published_transitions(task), return_range=published_return_range(task))
    return VARIANTS[variant](_small(config) if task.family is Family.LINEAR_GAUSSIAN else config)


def _small(config: ODICEConfig) -> ODICEConfig:
    """Our own, for the tasks lqr-...: small networks that learn fast."""
    learner = replace(
        config.learner,
        target_rate=0.01,
        value_learning_rate=5e-3,
        policy_learning_rate=1e-3,
        policy_weight_decay=0.0,
        hidden=(64, 64),
        policy=replace(config.learner.policy, hidden=(64, 64)),
    )
    return replace(config, learner=learner, **small_settings(config))


def preset_notes(task: Task, variant: str, config: ODICEConfig) -> list[str]:
    """What no source gives."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    ours = published_config(task, variant).learner
    kept = unchanged_settings(
        eta=(config.learner.backward_weight, ours.backward_weight),
        **{"lambda": (config.learner.dual_weight, ours.dual_weight)},
    )
    return [f"{kept} as in the code, by default; the paper chooses lambda and eta for each dataset"] if kept else []
