"""The sizes at which hot loops are measured: the published ones, on Hopper's dimensions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ampl.errors import check_at_least
from continuous.algorithms.ampl.config import AMPLConfig
from continuous.algorithms.ampl.policy import ImplicitPolicyConfig
from continuous.algorithms.branched_schedule import BranchedSchedule
from continuous.algorithms.damo.damo import DAMOConfig
from continuous.algorithms.damo.learner import DAMOLearnerConfig
from continuous.algorithms.mopo.mopo import MOPOConfig
from continuous.algorithms.mopo.penalties import Penalty
from continuous.weights.q_moment import QMomentConfig

OBSERVATION_SIZE, ACTION_SIZE = 11, 3  # D and A of Hopper, whose simulator is used
_SHORT_BUFFER = BranchedSchedule(starts_per_step=2)  # the published buffer takes 700 MB and makes nothing slower


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Settings of the algorithms and counts of what is around them."""

    ampl: AMPLConfig = field(
        default_factory=lambda: AMPLConfig(
            policy=ImplicitPolicyConfig(noise_size=50), weights=QMomentConfig(), rollout_length=5
        )
    )
    mopo: MOPOConfig = field(
        default_factory=lambda: MOPOConfig(penalty_weight=1.0, penalty=Penalty.MAX_STD, schedule=_SHORT_BUFFER)
    )
    damo: DAMOConfig = field(
        default_factory=lambda: DAMOConfig(learner=DAMOLearnerConfig(alpha=1.0), schedule=_SHORT_BUFFER)
    )
    rows: int = 50_000  # transitions of the data
    paths: int = 2048  # of a rollout, for each seed
    model_rows: int = 40_000  # transitions in AMPL's model buffer, for each seed
    episode_steps: int = 250  # of an evaluation that is timed; published ones have 1000
    seeds: tuple[int, ...] = (1, 5)  # how many are stacked

    def __post_init__(self) -> None:
        """Checks the counts."""
        for name in ("rows", "paths", "model_rows", "episode_steps"):
            check_at_least(name, getattr(self, name), 1)

    def quick(self) -> Workload:
        """The same with shorter evaluations, which are the longest single steps."""
        return replace(self, episode_steps=min(self.episode_steps, 50))


PUBLISHED = Workload()
