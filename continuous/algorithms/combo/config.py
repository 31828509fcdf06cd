"""COMBO's settings: what there is, what each dataset has, and the variants.

Source: OfflineRL-Kit's suggestions for v2 data, which are of the paper's grids (h in {1, 5}, beta in {0.5, 1, 5}); the
paper's own code was never published. Tasks that are not there get h = 5 and beta = 0.5, as diverse data have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ampl.errors import InvalidArgumentError
from continuous.algorithms.config import OWN_SETTINGS, ModelBasedConfig, Schedule, small_settings, unchanged_settings
from continuous.algorithms.cql.learner import ConservativeConfig
from continuous.algorithms.learner import Decay
from continuous.algorithms.mopo.config import KIT_DYNAMICS, largest_state
from continuous.algorithms.sac.learner import small_learner
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.model.network import DynamicsConfig
from continuous.tasks.registry import Family, Task, TransitionMode


class ConservativeStates(StrEnum):
    """rho: at which states values are pushed down."""

    MIX = "mix"  # of the whole batch, data and model
    MODEL = "model"  # of the model's rows


@dataclass(frozen=True, kw_only=True)
class COMBOConfig(ModelBasedConfig):
    """Hyperparameters of deep COMBO."""

    learner: ConservativeConfig
    conservative_states: ConservativeStates = ConservativeStates.MIX  # rho
    transitions: TransitionMode = TransitionMode.MODEL  # as in OfflineRL-Kit
    dynamics: DynamicsConfig = KIT_DYNAMICS
    schedule: Schedule = field(default_factory=lambda: Schedule(real_fraction=0.5))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        rows = self.schedule.real_rows(1)
        if not 0 < rows < self.schedule.batch_size:
            raise InvalidArgumentError(
                f"real_fraction is {self.schedule.real_fraction:g}: {rows} rows of {self.schedule.batch_size} are of "
                "the data; expected some of the data and some of the model, which Eq. 3 compares."
            )


KIT: Mapping[str, tuple[int, float]] = {
    "halfcheetah-medium-v2": (5, 0.5),
    "hopper-medium-v2": (5, 5.0),
    "walker2d-medium-v2": (1, 5.0),
    "halfcheetah-medium-replay-v2": (5, 0.5),
    "hopper-medium-replay-v2": (5, 0.5),
    "walker2d-medium-replay-v2": (1, 0.5),
    "halfcheetah-medium-expert-v2": (5, 5.0),
    "hopper-medium-expert-v2": (5, 5.0),
    "walker2d-medium-expert-v2": (1, 5.0),
}
"""h and beta by dataset."""

COMMON = (5, 0.5)


def learner(conservative_weight: float) -> ConservativeConfig:
    """OfflineRL-Kit's, whose networks have a layer more than MOPO's, as CQL's."""
    hidden = (256, 256, 256)
    return ConservativeConfig(
        conservative_weight=conservative_weight,
        policy_learning_rate=1e-4,
        policy_learning_rate_decay=Decay.COSINE,
        temperature_learning_rate=1e-4,
        target_entropy=None,
        hidden=hidden,
        policy=SquashedGaussianConfig(hidden=hidden, lowest_log_std=-5.0),
    )


def main_config(task: Task) -> COMBOConfig:
    """OfflineRL-Kit's settings of a task."""
    length, weight = KIT.get(task.name, COMMON)
    config = COMBOConfig(learner=learner(weight), largest_state=largest_state(task))
    if task.family is Family.LINEAR_GAUSSIAN:
        small = replace(small_learner(config.learner), policy_learning_rate_decay=Decay.NONE)
        return replace(config, learner=small, **small_settings(config))
    return replace(config, schedule=replace(config.schedule, rollout_length=length))


VARIANTS: Mapping[str, Callable[[COMBOConfig], COMBOConfig]] = {
    "main": lambda config: config,
    "model-states": lambda config: replace(config, conservative_states=ConservativeStates.MODEL),
}
"""The algorithm, and the paper's other choice of rho."""


def published_config(task: Task, variant: str) -> COMBOConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: COMBOConfig) -> list[str]:
    """One line if no source gives h and beta of a task."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    if task.name in KIT:
        return []
    ours = published_config(task, variant)
    kept = unchanged_settings(
        h=(config.schedule.rollout_length, ours.schedule.rollout_length),
        beta=(config.learner.conservative_weight, ours.learner.conservative_weight),
    )
    return [f"OfflineRL-Kit gives no settings of COMBO for {task.name}: {kept} reconstructed"] if kept else []
