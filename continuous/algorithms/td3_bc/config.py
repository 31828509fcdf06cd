"""TD3+BC's settings and variants.

Source: Fujimoto and Gu, "A Minimalist Approach to Offline Reinforcement Learning" (NeurIPS 2021), Table 3 and the
official code, which has the same on every task of D4RL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import InvalidArgumentError, check_at_least, check_fraction
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.algorithms.config import OWN_SETTINGS, OfflineConfig, published_transitions, small_settings
from continuous.networks.stacks import check_hidden
from continuous.tasks.registry import Family, Task


@dataclass(frozen=True, kw_only=True)
class TD3BCConfig(OfflineConfig):
    """Hyperparameters of TD3+BC."""

    value_weight: float = 2.5  # alpha: lambda = alpha / mean|Q(s, pi(s))| weighs the value against the imitation
    discount: float = 0.99  # gamma
    target_rate: float = 0.005  # how far the targets follow in one update of the policy
    critic_learning_rate: float = 3e-4
    policy_learning_rate: float = 3e-4
    policy_period: int = 2  # updates of the critics for one of the policy and the targets
    target_noise: float = 0.2  # standard deviation of what smooths the target policy
    target_noise_bound: float = 0.5  # where that noise is cut
    hidden: tuple[int, ...] = (256, 256)  # of the critics
    policy: TanhPolicyConfig = field(default_factory=TanhPolicyConfig)  # deterministic

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_hidden(self.hidden)
        for name in ("discount", "target_rate"):
            check_fraction(name, getattr(self, name))
        for name in (
            "value_weight",
            "critic_learning_rate",
            "policy_learning_rate",
            "target_noise",
            "target_noise_bound",
        ):
            check_at_least(name, getattr(self, name), 0.0)
        check_at_least("policy_period", self.policy_period, 1)
        if self.policy.gaussian:
            raise InvalidArgumentError("policy.gaussian is true; expected false: TD3+BC's policy is deterministic.")

    @property
    def steps_unit(self) -> int:
        """The policy's period."""
        return self.policy_period


def main_config(task: Task) -> TD3BCConfig:
    """The same on all of D4RL; small on the tasks lqr-...."""
    config = TD3BCConfig(transitions=published_transitions(task))
    if task.family is not Family.LINEAR_GAUSSIAN:
        return config
    return replace(
        config,
        critic_learning_rate=1e-3,
        policy_learning_rate=1e-3,
        target_rate=0.01,
        hidden=(64, 64),
        policy=replace(config.policy, hidden=(64, 64)),
        **small_settings(config),
    )


def published_config(task: Task, variant: str) -> TD3BCConfig:
    """The settings of a variant on a task."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: TD3BCConfig) -> list[str]:
    """What no source gives."""
    return [OWN_SETTINGS.format(task=task.name)] if task.family is Family.LINEAR_GAUSSIAN else []


VARIANTS: Mapping[str, Callable[[TD3BCConfig], TD3BCConfig]] = {
    "main": lambda config: config,
    "no-standardization": lambda config: replace(config, policy=replace(config.policy, standardized=False)),
}
"""The algorithm, and the ablation of its Figure 3."""
