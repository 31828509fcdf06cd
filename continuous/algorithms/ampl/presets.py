"""The published runs' settings of each dataset, and the variants.

Source: the released code's job scripts, whose values differ from its main program's defaults. Tasks that were not
among the sixteen get the values that their family's have in common, with a rollout length of 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from continuous.algorithms.ampl.config import AMPLConfig, ModelObjective
from continuous.algorithms.ampl.discriminator import Objective
from continuous.algorithms.ampl.policy import GaussianPolicyConfig, ImplicitPolicyConfig, default_noise_size
from continuous.tasks.registry import LOCOMOTION, Family, Task
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import QMomentConfig, RewardTestConfig
from continuous.weights.vpm import VPMConfig


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
    return Preset(
        rollout_length=3,
        noise_size=1 if scarce else 50,
        weight_power=0.5 if task.family in (*LOCOMOTION, Family.OUT_OF_DISTRIBUTION) else 0.2,
        noise_scale=1e-3 if scarce else 1.0,
    )


def main_config(task: Task) -> AMPLConfig:
    """The variant "main": AMPL as published."""
    chosen = preset(task)
    noise_size = chosen.noise_size or default_noise_size(task.observation_size)
    return AMPLConfig(
        policy=ImplicitPolicyConfig(noise_size=noise_size, noise_scale=chosen.noise_scale),
        weights=QMomentConfig(weight_power=chosen.weight_power),
        rollout_length=chosen.rollout_length,
    )


def published_config(task: Task, variant: str) -> AMPLConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task))


def _without_retraining(config: AMPLConfig) -> AMPLConfig:
    """One fit by plain maximum likelihood."""
    return replace(config, weights=None)


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
    return replace(config, policy=GaussianPolicyConfig())


def _no_regularizer(config: AMPLConfig) -> AMPLConfig:
    return replace(config, policy_update=replace(config.policy_update, regularized=False))


def _no_rollouts(config: AMPLConfig) -> AMPLConfig:
    return replace(config, schedule=replace(config.schedule, real_fraction=1.0))


def _value_discriminator(config: AMPLConfig) -> AMPLConfig:
    return replace(config, model_objective=ModelObjective.VALUE)


VARIANTS: Mapping[str, Callable[[AMPLConfig], AMPLConfig]] = {
    "main": lambda config: config,
    "nw": _without_retraining,
    "vpm": lambda config: replace(config, weights=VPMConfig()),
    "gendice": lambda config: replace(config, weights=GenDICEConfig()),
    "dualdice": lambda config: replace(config, weights=DualDICEConfig()),
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
}
"""How each variant differs from "main"; all but the last two are the paper's.

released-rollouts has a defect of the released code, of which it is not known whether the published runs had it, too;
multi-moment is our own.
"""
