"""IQL's settings: what there is, what each family of tasks has, and the variants.

Source: Kostrikov, Nair and Levine, "Offline Reinforcement Learning with Implicit Q-Learning" (2021), section 5 and
appendix B, and the official code: its settings for MuJoCo for locomotion, those for the kitchen for Adroit, as the
paper says. Other tasks, which neither has, get those of locomotion with rewards as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import check_at_least, check_fraction, check_positive
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.algorithms.config import OWN_SETTINGS, OfflineConfig, published_transitions, small_settings
from continuous.algorithms.learner import Decay
from continuous.networks.stacks import check_hidden
from continuous.tasks.registry import LOCOMOTION, Family, Task


@dataclass(frozen=True, kw_only=True)
class IQLConfig(OfflineConfig):
    """Hyperparameters of IQL."""

    expectile: float = 0.7  # tau: a half is the mean, one the largest value
    inverse_temperature: float = 3.0  # beta: how sharply the policy prefers actions of large advantage
    largest_weight: float = 100.0  # where exp(beta advantage) is cut
    return_range: float | None = None  # rewards are scaled so that the episodes' returns span it; None: as they are
    discount: float = 0.99  # gamma
    target_rate: float = 0.005  # how far the target critics follow in one update
    critic_learning_rate: float = 3e-4
    value_learning_rate: float = 3e-4
    policy_learning_rate: float = 3e-4
    policy_learning_rate_decay: Decay = Decay.COSINE
    hidden: tuple[int, ...] = (256, 256)  # of critics and value
    policy: TanhPolicyConfig = field(default_factory=lambda: TanhPolicyConfig(standardized=False, gaussian=True))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_hidden(self.hidden)
        for name in ("expectile", "discount", "target_rate"):
            check_fraction(name, getattr(self, name))
        for name in (
            "inverse_temperature",
            "largest_weight",
            "critic_learning_rate",
            "value_learning_rate",
            "policy_learning_rate",
        ):
            check_at_least(name, getattr(self, name), 0.0)
        if self.return_range is not None:
            check_positive("return_range", self.return_range, "None: rewards as they are.")
        self.policy.check_gaussian("IQL")


def main_config(task: Task) -> IQLConfig:
    """The official settings of a task's family."""
    config = IQLConfig(transitions=published_transitions(task), return_range=published_return_range(task))
    if task.family is Family.ADROIT:
        return replace(config, inverse_temperature=0.5)
    if task.family is Family.LINEAR_GAUSSIAN:
        return _small(config)
    return config


def published_return_range(task: Task) -> float | None:
    """What the episodes' returns are scaled to span, as in the code of IQL and O-DICE: on Ant they are as they are."""
    return 1000.0 if _is_published(task) or task.family is Family.LINEAR_GAUSSIAN else None


def _is_published(task: Task) -> bool:
    """Whether the code has settings for this task of D4RL's locomotion."""
    return task.family in LOCOMOTION and task.robot != "ant"


def _small(config: IQLConfig) -> IQLConfig:
    """Our own, for the tasks lqr-...: a run of minutes, with small networks."""
    return replace(
        config,
        critic_learning_rate=1e-3,
        value_learning_rate=1e-3,
        policy_learning_rate=1e-3,
        target_rate=0.01,
        hidden=(64, 64),
        policy=replace(config.policy, hidden=(64, 64)),
        **small_settings(config),
    )


def published_config(task: Task, variant: str) -> IQLConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: IQLConfig) -> list[str]:
    """What no source gives."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    if _is_published(task) or task.family is Family.ADROIT:
        return []
    return [f"IQL has no settings for {task.name}: those of locomotion are taken, with rewards as they are"]


VARIANTS: Mapping[str, Callable[[IQLConfig], IQLConfig]] = {
    "main": lambda config: config,
    "one-step": lambda config: replace(config, expectile=0.5),
}
"""The algorithm, and the case of its section 4.1 in which V is that of the behavior."""
