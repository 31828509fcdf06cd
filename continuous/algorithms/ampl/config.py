"""AMPL's settings: what there is, what each dataset has, and the variants.

Source: the released code's job scripts, whose values differ from its main program's defaults. Tasks that were not
among the sixteen get the values that their family's have in common, with a rollout length of 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self

from ampl.errors import InvalidArgumentError, check_at_least, check_fraction
from ampl.scale import Scale
from continuous.algorithms.ampl.critic import CriticConfig
from continuous.algorithms.ampl.discriminator import Objective, RegularizerConfig
from continuous.algorithms.ampl.policy import GaussianPolicyConfig, ImplicitPolicyConfig, default_noise_size
from continuous.algorithms.ampl.schedule import AMPLSchedule
from continuous.algorithms.ampl.update import PolicyUpdateConfig
from continuous.algorithms.config import OWN_SETTINGS, ModelBasedConfig, published_transitions, small_settings
from continuous.tasks.registry import LOCOMOTION, Family, Task
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.estimator import EstimatorConfig
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import QMomentConfig, RewardTestConfig
from continuous.weights.vpm import VPMConfig


class ModelObjective(Enum):
    """What refits of the model minimize."""

    LIKELIHOOD = "likelihood"  # Eq. 6
    VALUE = "value"  # ablation: reward likelihood, and the difference of values at true and predicted next states


class KnownWeights(Enum):
    """Weights that need no estimator."""

    NONE = "none"
    ONES = "ones"  # refits without weights
    EXACT = "exact"  # w*, which is known on tasks lqr-...


@dataclass(frozen=True, kw_only=True)
class AMPLConfig(ModelBasedConfig):
    """Hyperparameters of deep AMPL; the defaults are the published runs'."""

    discount: float = 0.99  # gamma, of critics and weights
    policy: ImplicitPolicyConfig | GaussianPolicyConfig = field(default_factory=ImplicitPolicyConfig)
    policy_update: PolicyUpdateConfig = field(default_factory=PolicyUpdateConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    regularizer: RegularizerConfig = field(default_factory=RegularizerConfig)
    model_objective: ModelObjective = ModelObjective.LIKELIHOOD
    weights: EstimatorConfig | None  # None: no estimator; without known weights, an ablation, the model is fitted once
    known_weights: KnownWeights = KnownWeights.NONE  # in refits, where an estimate would be
    schedule: AMPLSchedule = field(default_factory=AMPLSchedule)
    shared_rollout_action: bool = False  # defect of the released code; the paper acts at every state for itself
    evaluation_actions: int = 10  # code: actions to choose from at each state by min Q; the paper does not say

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_fraction("discount", self.discount)
        check_at_least("evaluation_actions", self.evaluation_actions, 1)
        if self.weights is not None and self.known_weights is not KnownWeights.NONE:
            raise InvalidArgumentError(
                f"known_weights is {self.known_weights.value}, but the variant estimates weights; expected none. "
                "Take the variant unit-weights or exact-weights."
            )

    @property
    def steps_unit(self) -> int:
        """The policy's period in each of an epoch's rollouts."""
        return self.schedule.rollouts_per_epoch * self.schedule.policy_period

    def scaled(self, scale: Scale) -> Self:
        """The same settings with fewer epochs, shorter epochs, or fewer updates of the weights or the model.

        An estimator never makes more updates than it was published with: VPM's are 2000, not 100,000.
        """
        weights = self.weights
        if weights is not None and scale.weight_steps is not None:
            weights = replace(weights, steps=min(weights.steps, scale.weight_steps))
        return replace(super().scaled(replace(scale, weight_steps=None)), weights=weights)

    def scale_note(self, published: Self) -> str:
        """How much shorter than published a run is, its rollouts and its retraining included."""
        line = super().scale_note(published)
        kept, usual = self.schedule.epochs_in_buffer, published.schedule.epochs_in_buffer
        if self.schedule.real_fraction < 1.0 and kept < usual:
            line += f", model transitions of the last {kept:.1f} epochs instead of {usual:.1f}"
        if self.weights is not None:
            line += f", retraining every {self.schedule.retrain_period} epochs"
            if published.weights is not None:
                line += f", {self.weights.steps:,} weight steps instead of {published.weights.steps:,}"
        return line


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What differs between datasets."""

    rollout_length: int  # h, model steps
    noise_size: int | None  # k of the implicit policy; None: by the size of the observations
    weight_power: float  # alpha, exponent of the weight network's output
    noise_scale: float = 1.0  # sigma of the implicit policy


PUBLISHED: Mapping[str, Preset] = {
    "halfcheetah-medium-expert-v2": Preset(rollout_length=5, noise_size=50, weight_power=0.5),
    "hopper-medium-expert-v2": Preset(rollout_length=3, noise_size=50, weight_power=0.5),
    "walker2d-medium-expert-v2": Preset(rollout_length=5, noise_size=50, weight_power=0.5),
    "halfcheetah-medium-v2": Preset(rollout_length=1, noise_size=50, weight_power=0.5),
    "hopper-medium-v2": Preset(rollout_length=1, noise_size=50, weight_power=0.5),
    "walker2d-medium-v2": Preset(rollout_length=3, noise_size=50, weight_power=0.5),
    "halfcheetah-medium-replay-v2": Preset(rollout_length=3, noise_size=50, weight_power=0.5),
    "hopper-medium-replay-v2": Preset(rollout_length=1, noise_size=50, weight_power=0.5),
    "walker2d-medium-replay-v2": Preset(rollout_length=5, noise_size=50, weight_power=0.5),
    "maze2d-umaze-v1": Preset(rollout_length=3, noise_size=None, weight_power=0.2),
    "maze2d-medium-v1": Preset(rollout_length=3, noise_size=50, weight_power=0.2),
    "maze2d-large-v1": Preset(rollout_length=1, noise_size=50, weight_power=0.2),
    "pen-cloned-v1": Preset(rollout_length=5, noise_size=1, weight_power=0.2, noise_scale=1e-3),
    "pen-expert-v1": Preset(rollout_length=1, noise_size=50, weight_power=0.2),
    "door-expert-v1": Preset(rollout_length=1, noise_size=None, weight_power=0.2),
    "pen-human-v1": Preset(rollout_length=1, noise_size=1, weight_power=0.2, noise_scale=1e-3),
}


def preset(task: Task) -> Preset:
    """The published settings of a task, or the common ones of its family."""
    if task.name in PUBLISHED:
        return PUBLISHED[task.name]
    scarce = task.dataset in ("human", "cloned")
    usual_noise = None if task.family is Family.OWN else 50
    return Preset(
        rollout_length=3,
        noise_size=1 if scarce else usual_noise,
        weight_power=0.5 if task.family in (*LOCOMOTION, Family.OUT_OF_DISTRIBUTION) else 0.2,
        noise_scale=1e-3 if scarce else 1.0,
    )


def _small() -> AMPLConfig:
    """Our own, for the tasks lqr-...: a run of minutes, with small networks and faster weights."""
    config = AMPLConfig(weights=QMomentConfig(learning_rate=1e-3, steps=300, hidden=(64, 64), weight_power=0.5))
    rates = {"learning_rate": 1e-3}
    schedule = AMPLSchedule(
        rollout_length=3, starts_per_step=64, batch_size=256, warm_start_epochs=2, annealing_epochs=1, retrain_period=10
    )
    small = replace(
        config,
        policy=ImplicitPolicyConfig(noise_size=2, hidden=(64, 64)),
        critic=replace(config.critic, hidden=(64, 64), **rates),
        regularizer=replace(config.regularizer, hidden=(64, 64)),
        schedule=schedule,
    )
    return replace(small, **small_settings(small, steps_per_epoch=104))


def main_config(task: Task) -> AMPLConfig:
    """The variant "main": AMPL as published."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return _small()
    chosen = preset(task)
    noise_size = chosen.noise_size or default_noise_size(task.observation_size)
    return AMPLConfig(
        policy=ImplicitPolicyConfig(noise_size=noise_size, noise_scale=chosen.noise_scale),
        weights=QMomentConfig(weight_power=chosen.weight_power),
        schedule=AMPLSchedule(rollout_length=chosen.rollout_length),
        transitions=published_transitions(task),
    )


def preset_notes(task: Task, variant: str, config: AMPLConfig) -> list[str]:
    """One line if the settings were not published."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    if task.name in PUBLISHED:
        return []
    return [f"{task.name} was not among the published runs: its settings are its family's."]


def published_config(task: Task, variant: str) -> AMPLConfig:
    """The settings of a variant on a task, as published."""
    config = VARIANTS[variant](main_config(task))
    if task.family is Family.LINEAR_GAUSSIAN and isinstance(config.weights, MultiMomentConfig):
        return replace(config, weights=replace(config.weights, learning_rate=1e-3, steps=1500, hidden=(64, 64)))
    return config


def _without_retraining(config: AMPLConfig) -> AMPLConfig:
    """One fit by plain maximum likelihood."""
    return replace(config, weights=None)


def _unit_weights(config: AMPLConfig) -> AMPLConfig:
    """What refits alone gain."""
    return replace(config, weights=None, known_weights=KnownWeights.ONES)


def _exact_weights(config: AMPLConfig) -> AMPLConfig:
    """What the best of all estimators would gain."""
    return replace(config, weights=None, known_weights=KnownWeights.EXACT)


def _estimated_by(
    estimator: type[VPMConfig | GenDICEConfig | DualDICEConfig],
) -> Callable[[AMPLConfig], AMPLConfig]:
    """Another estimator with its own rates, networks as large as main's, and no more updates than main's."""

    def change(config: AMPLConfig) -> AMPLConfig:
        assert config.weights is not None
        steps = min(estimator.steps, config.weights.steps)
        return replace(config, weights=estimator(steps=steps, hidden=config.weights.hidden))

    return change


def _multi_moment(config: AMPLConfig) -> AMPLConfig:
    """Our own: several test functions at once."""
    assert isinstance(config.weights, QMomentConfig)
    return replace(config, weights=MultiMomentConfig(weight_power=config.weights.weight_power))


def _reward_test_function(config: AMPLConfig) -> AMPLConfig:
    assert isinstance(config.weights, QMomentConfig)
    return replace(config, weights=replace(config.weights, test_function=RewardTestConfig()))


def _weighted_policy(config: AMPLConfig) -> AMPLConfig:
    """The weights multiply the terms of the policy's regularizer too."""
    return replace(config, regularizer=replace(config.regularizer, second_pair_only=True, weighted=True))


def _linear(config: AMPLConfig) -> AMPLConfig:
    return replace(config, regularizer=replace(config.regularizer, second_pair_only=True, objective=Objective.LINEAR))


def _linear_weighted_policy(config: AMPLConfig) -> AMPLConfig:
    return _linear(_weighted_policy(config))


def _released_rollouts(config: AMPLConfig) -> AMPLConfig:
    """Rollouts as the released code makes them: all paths of a start batch take the action of the first one."""
    return replace(config, shared_rollout_action=True)


def _gaussian_policy(config: AMPLConfig) -> AMPLConfig:
    return replace(config, policy=GaussianPolicyConfig(hidden=config.policy.hidden))


def _no_regularizer(config: AMPLConfig) -> AMPLConfig:
    return replace(config, policy_update=replace(config.policy_update, regularized=False))


def _no_rollouts(config: AMPLConfig) -> AMPLConfig:
    return replace(config, schedule=replace(config.schedule, real_fraction=1.0))


def _value_discriminator(config: AMPLConfig) -> AMPLConfig:
    return replace(config, model_objective=ModelObjective.VALUE)


VARIANTS: Mapping[str, Callable[[AMPLConfig], AMPLConfig]] = {
    "main": lambda config: config,
    "nw": _without_retraining,
    "vpm": _estimated_by(VPMConfig),
    "gendice": _estimated_by(GenDICEConfig),
    "dualdice": _estimated_by(DualDICEConfig),
    "wpr": _weighted_policy,
    "kl-dual-wpr": _linear_weighted_policy,
    "kl-dual": _linear,
    "gaussian-policy": _gaussian_policy,
    "no-regularizer": _no_regularizer,
    "no-rollouts": _no_rollouts,
    "reward-test-function": _reward_test_function,
    "value-discriminator": _value_discriminator,
    "released-rollouts": _released_rollouts,
    "multi-moment": _multi_moment,
    "unit-weights": _unit_weights,
    "exact-weights": _exact_weights,
}
"""How each variant differs from "main"; all but the last four are the paper's.

released-rollouts has a defect of the released code, of which it is not known whether the published runs had it, too;
multi-moment, unit-weights and exact-weights are our own.
"""
