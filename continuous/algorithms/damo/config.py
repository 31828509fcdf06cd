"""DAMO's settings: what there is, what each dataset has, and the variants.

Source: DAMO, Table 4, whose columns are told apart by reason: values of 0.1 to 3 are alpha, 1 to 5 are h; the actor's
learning rates are lost, so OfflineRL-Kit's 1e-4, decayed to zero over the run as there, is used everywhere. Tasks that
are not in it get alpha = 2 and h = 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ampl.errors import check_at_least
from continuous.algorithms.config import OWN_SETTINGS, ModelBasedConfig, Schedule, small_settings, unchanged_settings
from continuous.algorithms.damo.learner import Actor, Conjugate, DAMOLearnerConfig
from continuous.algorithms.learner import Decay
from continuous.algorithms.mopo.config import KIT_DYNAMICS, largest_state
from continuous.algorithms.sac.learner import small_learner
from continuous.model.network import DynamicsConfig
from continuous.tasks.registry import Family, Task, TransitionMode


class Starts(StrEnum):
    """Where the first term of Eq. 2 takes its states from."""

    DATA = "data"  # any state of the data, as the paper does
    EPISODES = "episodes"  # first states of the data's episodes: mu0, as the paper's theory has it


@dataclass(frozen=True, kw_only=True)
class DAMOConfig(ModelBasedConfig):
    """Hyperparameters of deep DAMO."""

    learner: DAMOLearnerConfig
    starts: Starts = Starts.DATA
    transitions: TransitionMode = TransitionMode.MODEL  # true next states, as OfflineRL-Kit, on which DAMO builds
    dynamics: DynamicsConfig = KIT_DYNAMICS
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=3000))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("batch_size", self.schedule.batch_size, 2, "Half of it teaches the classifier.")


TABLE4: Mapping[str, tuple[float, int]] = {
    "halfcheetah-random-v2": (0.1, 5),
    "hopper-random-v2": (2.0, 5),
    "walker2d-random-v2": (2.0, 5),
    "halfcheetah-medium-v2": (0.5, 5),
    "hopper-medium-v2": (2.0, 5),
    "walker2d-medium-v2": (2.0, 1),
    "halfcheetah-medium-replay-v2": (0.1, 5),
    "hopper-medium-replay-v2": (3.0, 5),
    "walker2d-medium-replay-v2": (1.5, 5),
    "halfcheetah-medium-expert-v2": (2.5, 5),
    "hopper-medium-expert-v2": (3.0, 5),
    "walker2d-medium-expert-v2": (1.5, 3),
}
"""alpha and h by dataset."""

COMMON = (2.0, 5)

ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""For the sensitivity to alpha; the paper's own values are lost."""


def _learner(**changes: object) -> Callable[[DAMOConfig], DAMOConfig]:
    return lambda config: replace(config, learner=replace(config.learner, **changes))  # type: ignore[arg-type]


def _gradient_penalty(config: DAMOConfig) -> DAMOConfig:
    """OMPO's, on the classifier."""
    classifier = replace(config.learner.classifier, gradient_penalty=10.0)
    return replace(config, learner=replace(config.learner, classifier=classifier))


VARIANTS: Mapping[str, Callable[[DAMOConfig], DAMOConfig]] = {
    "main": lambda config: config,
    "no-er": _learner(data_alignment=False),
    "no-ir": _learner(behavior_alignment=False, actor=Actor.INCONSISTENT),
    "inconsistent": _learner(actor=Actor.INCONSISTENT),
    "unstabilized": _learner(actor=Actor.UNSTABILIZED),
    "fixed-alpha": _learner(actor=Actor.FIXED_ALPHA),
    "exact-critic": _learner(conjugate=Conjugate.ONE_SIDED, detaches_target=False),
    "gradient-penalty": _gradient_penalty,
    "episode-starts": lambda config: replace(config, starts=Starts.EPISODES),
    **{f"alpha-{alpha:g}": _learner(alpha=alpha) for alpha in ALPHAS},
}
"""The algorithm, without the explicit or the implicit term, with other actors (the last is the other reading), with
Eq. 2 as it stands for the critic, with OMPO's gradient penalty on the classifier, with start states as in the theory,
and with other coefficients than Table 4's."""


def main_config(task: Task) -> DAMOConfig:
    """Table 4's settings of a task."""
    alpha, rollout_length = TABLE4.get(task.name, COMMON)
    config = DAMOConfig(learner=DAMOLearnerConfig(alpha=alpha), largest_state=largest_state(task))
    if task.family is Family.LINEAR_GAUSSIAN:
        return _small(config)
    return replace(config, schedule=replace(config.schedule, rollout_length=rollout_length))


def _small(config: DAMOConfig) -> DAMOConfig:
    """Our own, for the tasks lqr-...: a run of minutes, with small networks."""
    networks = replace(
        small_learner(config.learner.learner),
        temperature_learning_rate=3e-4,
        policy_learning_rate_decay=Decay.NONE,
    )
    classifier = replace(config.learner.classifier, hidden=(64, 64))
    learner = replace(config.learner, alpha=1.0, learner=networks, classifier=classifier)
    return replace(config, learner=learner, **small_settings(config))


def published_config(task: Task, variant: str) -> DAMOConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task))


def preset_notes(task: Task, variant: str, config: DAMOConfig) -> list[str]:
    """What no source gives."""
    notes = ["DAMO's formulas and some settings are reconstructed; see docs/damo.md"]
    if task.family is Family.LINEAR_GAUSSIAN:
        notes.append(OWN_SETTINGS.format(task=task.name))
    elif task.name not in TABLE4:
        alpha, length = COMMON
        kept = unchanged_settings(alpha=(config.learner.alpha, alpha), h=(config.schedule.rollout_length, length))
        notes[:0] = [f"{task.name} is not in DAMO's Table 4; {kept} taken"] if kept else []
    return notes
