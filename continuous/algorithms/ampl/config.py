"""Every setting of deep AMPL in one frozen tree; the defaults are the published runs'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch

from ampl.errors import check_at_least
from ampl.settings import settings_as_json
from continuous.algorithms.ampl.critic import CriticConfig
from continuous.algorithms.ampl.discriminator import RegularizerConfig
from continuous.algorithms.ampl.policy import GaussianPolicyConfig, ImplicitPolicyConfig
from continuous.algorithms.ampl.schedule import Schedule
from continuous.algorithms.ampl.update import PolicyUpdateConfig
from continuous.model.ensemble import DynamicsConfig, EnsembleDynamics
from continuous.weights.estimator import EstimatorConfig, WeightEstimator


class ModelObjective(Enum):
    """What refits of the model minimize."""

    LIKELIHOOD = "likelihood"  # Eq. 6
    VALUE = "value"  # ablation: reward likelihood, and the difference of values at true and predicted next states


@dataclass(frozen=True, kw_only=True)
class AMPLConfig:
    """Hyperparameters of deep AMPL."""

    policy: ImplicitPolicyConfig | GaussianPolicyConfig = field(default_factory=ImplicitPolicyConfig)
    policy_update: PolicyUpdateConfig = field(default_factory=PolicyUpdateConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    regularizer: RegularizerConfig = field(default_factory=RegularizerConfig)
    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    model_objective: ModelObjective = ModelObjective.LIKELIHOOD
    weights: EstimatorConfig | None  # None, an ablation: the model is fitted once
    schedule: Schedule = field(default_factory=Schedule)
    batch_size: int = 512  # of critics, policy and discriminator
    rollout_length: int = 1  # h, model steps
    shared_rollout_action: bool = False  # defect of the released code; the paper acts at every state for itself
    evaluation_episodes: int = 10
    evaluation_actions: int = 10  # code: actions to choose from at each state by min Q; the paper does not say

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("batch_size", "rollout_length", "evaluation_episodes", "evaluation_actions"):
            check_at_least(name, getattr(self, name), 1)

    def build_estimator(
        self,
        observation_size: int,
        action_size: int,
        seeds: Sequence[int],
        model: EnsembleDynamics,
        device: torch.device | str,
    ) -> WeightEstimator | None:
        """The estimator of the weights, freshly initialized."""
        if self.weights is None:
            return None
        return self.weights.build(observation_size, action_size, seeds, model, device)

    def as_json(self) -> Mapping[str, Any]:
        """All settings as JSON values."""
        return settings_as_json(self)
