"""Behavior cloning's settings and variants.

Source: TD3+BC (Fujimoto and Gu, 2021) without its critics, which is the behavior cloning of its tables: network, rate,
standardized observations and a million updates. `gaussian` is D4RL's objective; the best tenth of the transitions by
their episodes' returns is that of the Decision Transformer (Chen et al., 2021, section 5.1, "10 % BC").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import check_at_least, check_fraction, check_positive
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.algorithms.config import OWN_SETTINGS, OfflineConfig, published_transitions, small_settings
from continuous.tasks.registry import Family, Task


@dataclass(frozen=True, kw_only=True)
class BCConfig(OfflineConfig):
    """Hyperparameters of behavior cloning."""

    learning_rate: float = 3e-4  # of Adam
    best_share: float = 1.0  # of the transitions, those of the episodes of largest return first, that are imitated
    discount: float = 0.99  # gamma, of what evaluations measure
    policy: TanhPolicyConfig = field(default_factory=TanhPolicyConfig)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("learning_rate", self.learning_rate, 0.0)
        check_positive("best_share", self.best_share)
        for name in ("best_share", "discount"):
            check_fraction(name, getattr(self, name))


def main_config(task: Task) -> BCConfig:
    """The same on all of D4RL; small on the tasks lqr-...."""
    config = BCConfig(transitions=published_transitions(task))
    if task.family is not Family.LINEAR_GAUSSIAN:
        return config
    return replace(config, learning_rate=1e-3, policy=replace(config.policy, hidden=(64, 64)), **small_settings(config))


def published_config(task: Task, variant: str) -> BCConfig:
    """The settings of a variant on a task."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: BCConfig) -> list[str]:
    """What no source gives."""
    return [OWN_SETTINGS.format(task=task.name)] if task.family is Family.LINEAR_GAUSSIAN else []


VARIANTS: Mapping[str, Callable[[BCConfig], BCConfig]] = {
    "main": lambda config: config,
    "gaussian": lambda config: replace(config, policy=replace(config.policy, gaussian=True)),
    "best-tenth": lambda config: replace(config, best_share=0.1),
}
