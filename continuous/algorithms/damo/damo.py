"""Deep DAMO: dual alignment maximin optimization on data and rollouts of the model, K seeds side by side.

Source: Zhou et al., "Dual Alignment Maximin Optimization for Offline Model-based RL" (arXiv 2502.00850, 2025),
Algorithm 1:

    train the dynamics models on D_env                                          `EnsembleDynamics.fit`
    for every epoch:
        roll the model out from states of D_env with the policy                 `roll_out`
        for every update:
            classifier: real against model transitions, half and half           Eqs. 3-4
            critic: minimum of Eq. 2 on 5 % real and 95 % model rows            `DAMOLearner.update_dual_critics`
            actor: maximum of the same objective                                Eq. 2, stabilized

The loop is `ampl.training.train`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from torch import Tensor

from ampl.errors import check_at_least
from ampl.settings import settings_as_json
from continuous.algorithms.branched_schedule import BranchedSchedule
from continuous.algorithms.damo.learner import DAMODraws, DAMOLearner, DAMOLearnerConfig
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.mopo.mopo import MOPO_DYNAMICS
from continuous.algorithms.surroundings import Surroundings
from continuous.data.transitions import TransitionMode
from continuous.model.ensemble import DynamicsConfig
from continuous.networks.streams import SeedStreams
from continuous.replay.batch import Batch
from continuous.replay.buffers import TransitionTable


class Starts(StrEnum):
    """Where the first term of Eq. 2 takes its states from."""

    DATA = "data"  # any state of the data, as the paper does
    EPISODES = "episodes"  # first states of the data's episodes: mu0, as the paper's theory has it


@dataclass(frozen=True, kw_only=True)
class DAMOConfig:
    """Hyperparameters of deep DAMO."""

    learner: DAMOLearnerConfig
    starts: Starts = Starts.DATA
    transitions: TransitionMode = TransitionMode.MODEL  # as in OfflineRL-Kit, whose loader DAMO inherits
    largest_state: float | None = None  # paths of the model end where any |s'_i| reaches it; OfflineRL-Kit: 100
    dynamics: DynamicsConfig = field(default_factory=lambda: replace(MOPO_DYNAMICS, patience=5))
    schedule: BranchedSchedule = field(default_factory=lambda: BranchedSchedule(epochs=3000))
    evaluation_episodes: int = 10

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("evaluation_episodes", self.evaluation_episodes, 1)


class DAMO(ModelBased[DAMOLearner]):
    """DAMO for several seeds.

    Args:
        table: the offline data with its own rewards, and the start states that `config.starts` names.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
    """

    def __init__(
        self, table: TransitionTable, config: DAMOConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> None:
        super().__init__(
            "damo",
            table,
            seeds,
            schedule=config.schedule,
            dynamics=config.dynamics,
            evaluation_episodes=config.evaluation_episodes,
            settings=settings_as_json(config),
            surroundings=surroundings,
        )
        sizes = (table.observation_size, table.action_size)
        self.learner = DAMOLearner(*sizes, config.learner, seeds, table.rows.device)

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ensemble's step, and alpha R; nothing without data alignment."""
        next_state, reward, terminal = self.model.step(state, action, streams)
        batch = Batch(state=state, action=action, reward=reward, next_state=next_state, terminal=terminal)
        return next_state, reward, terminal, reward - self.learner.aligned(batch).reward

    def update(self) -> None:
        """One update of classifier, critics and actor."""
        streams, rows = self.streams["updates"], self.schedule.batch_size
        penalized = self.learner.damo.classifier.gradient_penalty > 0.0
        batch = self.sampler.draw()
        real, imagined = (source.sample(rows // 2, streams) for source in (self.table, self.buffer))
        start_state = self.table.sample_starts(rows, streams)
        noise = self.learner.policy.noise(streams, 3 * rows).chunk(3, dim=1)  # one kernel a seed on a GPU
        self.learner.update_all(
            DAMODraws(
                batch=batch,
                real=real,
                imagined=imagined,
                start_state=start_state,
                noise=noise[0],
                next_noise=noise[1],
                start_noise=noise[2],
                mixing=streams.uniform(rows // 2) if penalized else None,
            )
        )
