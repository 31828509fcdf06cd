"""CQL's settings and variants.

Source: Kumar et al., "Conservative Q-Learning for Offline Reinforcement Learning" (NeurIPS 2020), appendix F, and the
official code's commands for D4RL's MuJoCo tasks; networks and Lagrange threshold are OfflineRL-Kit's, which has the
same. Other tasks get the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import check_at_least
from continuous.algorithms.config import OWN_SETTINGS, OfflineConfig, published_transitions, small_settings
from continuous.algorithms.cql.learner import ConservativeConfig
from continuous.algorithms.sac.learner import small_learner
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.tasks.registry import Family, Task

_HIDDEN = (256, 256, 256)


@dataclass(frozen=True, kw_only=True)
class CQLLearnerConfig(ConservativeConfig):
    """Hyperparameters of one update."""

    conservative_weight: float = 5.0  # alpha >= 0
    gap_threshold: float | None = None  # tau: alpha is learned so that the gap is at most this; None: it is held
    conservative_learning_rate: float = 3e-4  # of alpha, where it is learned
    pushes_everywhere: bool = True  # CQL(H), a soft maximum over all actions; false: CQL(rho), over the policy's
    policy_learning_rate: float = 1e-4
    temperature_learning_rate: float = 1e-4
    target_entropy: float | None = None  # minus the action size
    hidden: tuple[int, ...] = _HIDDEN
    policy: SquashedGaussianConfig = field(default_factory=lambda: SquashedGaussianConfig(hidden=_HIDDEN))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("conservative_learning_rate", self.conservative_learning_rate, 0.0)


@dataclass(frozen=True, kw_only=True)
class CQLConfig(OfflineConfig):
    """Hyperparameters of CQL."""

    learner: CQLLearnerConfig = field(default_factory=CQLLearnerConfig)


def main_config(task: Task) -> CQLConfig:
    """The same on all of D4RL; small on the tasks lqr-...."""
    config = CQLConfig(transitions=published_transitions(task))
    if task.family is not Family.LINEAR_GAUSSIAN:
        return config
    return replace(config, learner=small_learner(config.learner), **small_settings(config))


def published_config(task: Task, variant: str) -> CQLConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: CQLConfig) -> list[str]:
    """What no source gives."""
    return [OWN_SETTINGS.format(task=task.name)] if task.family is Family.LINEAR_GAUSSIAN else []


def _learner(**changes: object) -> Callable[[CQLConfig], CQLConfig]:
    return lambda config: replace(config, learner=replace(config.learner, **changes))  # type: ignore[arg-type]


VARIANTS: Mapping[str, Callable[[CQLConfig], CQLConfig]] = {
    "main": lambda config: config,
    "lagrange": _learner(gap_threshold=10.0),
    "rho": _learner(pushes_everywhere=False),
}
"""CQL(H) with a fixed weight, with the learned weight of appendix F, and CQL(rho) of section 3.2."""
