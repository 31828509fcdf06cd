"""OptiDICE's settings: what there is, what each dataset has, and the variants.

Source: the published code's defaults; alpha of the one dataset that its README names. The paper chooses alpha for each
dataset, but the code does not have these values; `--set learner.alpha=VALUE` sets one.
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
from continuous.algorithms.optidice.learner import AdvantageLoss, OptiDICELearnerConfig
from continuous.tasks.registry import Family, Task


@dataclass(frozen=True, kw_only=True)
class OptiDICEConfig(OfflineConfig):
    """Hyperparameters of deep OptiDICE."""

    learner: OptiDICELearnerConfig = field(default_factory=OptiDICELearnerConfig)
    reward_scale: float = 0.1  # of standardized rewards
    schedule: UpdateSchedule = field(default_factory=lambda: UpdateSchedule(epochs=3000, batch_size=512))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_positive("reward_scale", self.reward_scale, "1 leaves standardized rewards as they are.")


ALPHAS: Mapping[str, float] = {"maze2d-umaze-v1": 0.001}
"""By dataset."""


def _squared(config: OptiDICEConfig) -> OptiDICEConfig:
    return replace(config, learner=replace(config.learner, advantage_loss=AdvantageLoss.SQUARED))


VARIANTS: Mapping[str, Callable[[OptiDICEConfig], OptiDICEConfig]] = {
    "main": lambda config: config,
    "squared": _squared,
}
"""The algorithm, and with the other loss of the advantages."""


def published_config(task: Task, variant: str) -> OptiDICEConfig:
    """The settings of a variant on a task."""
    config = OptiDICEConfig(transitions=published_transitions(task))
    if task.family is Family.LINEAR_GAUSSIAN:
        return VARIANTS[variant](_small(config))
    learner = replace(config.learner, alpha=ALPHAS.get(task.name, config.learner.alpha))
    return VARIANTS[variant](replace(config, learner=learner))


def _small(config: OptiDICEConfig) -> OptiDICEConfig:
    """Our own, for the tasks lqr-...: small networks that learn fast."""
    learner = replace(
        config.learner,
        alpha=0.1,
        learning_rate=1e-3,
        hidden=(64, 64),
        warm_up=0.25,
        policy=replace(config.learner.policy, hidden=(64, 64)),
    )
    return replace(config, learner=learner, **small_settings(config))


def preset_notes(task: Task, variant: str, config: OptiDICEConfig) -> list[str]:
    """What no source gives."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    kept = unchanged_settings(alpha=(config.learner.alpha, published_config(task, variant).learner.alpha))
    if task.name in ALPHAS or not kept:
        return []
    return [f"{kept} the code's default; the paper chooses it for each dataset"]
