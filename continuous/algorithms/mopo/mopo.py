"""Deep MOPO: soft actor-critic on data and penalized rollouts of the model, K seeds side by side.

Source: "MOPO: Model-based Offline Policy Optimization" (NeurIPS 2020), Algorithm 2:

    train N dynamics models on D_env                                            `EnsembleDynamics.fit`
    for every epoch:
        from states of D_env, for h steps: a ~ pi(s), (s', r) ~ a random model
        add (s, a, r - lambda u(s, a), s') to D_model                           `PenalizedModel`, `roll_out`
        soft actor-critic on batches of D_env and D_model                       `SoftActorCritic.update`

The loop is `ampl.training.train`'s. MBPO is the same with lambda = 0. A path of the model that ends hands its place
over to a new one from the data, where the released code drops the row; either way nothing after an end is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ampl.errors import check_at_least
from ampl.interfaces import Policy as ActingPolicy
from ampl.settings import settings_as_json
from continuous.algorithms.branched_schedule import BranchedSchedule
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.mopo.penalties import PenalizedModel, Penalty, TrueStep
from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.algorithms.surroundings import Surroundings
from continuous.data.transitions import TransitionMode
from continuous.model.network import DynamicsConfig, HoldoutCriterion
from continuous.model.rollout import UniformPolicy
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable

MOPO_DYNAMICS = DynamicsConfig(
    batch_size=256,
    holdout_limit=1000,
    fixed_bootstrap=True,
    steps_per_look=None,
    holdout_criterion=HoldoutCriterion.SQUARED_ERROR,
    patience=6,
    standardizes_targets=False,
)
"""MOPO's code, whose fit ends when more than five looks in a row found no improvement; OfflineRL-Kit's ends at five."""


@dataclass(frozen=True, kw_only=True)
class MOPOConfig:
    """Hyperparameters of deep MOPO."""

    penalty_weight: float  # lambda, by dataset; 0: MBPO
    penalty: Penalty = Penalty.MAX_STD  # u
    random_rollout_actions: bool = False  # uniform actions in rollouts, as for the out-of-distribution tasks
    learner: SoftActorCriticConfig = field(default_factory=SoftActorCriticConfig)
    dynamics: DynamicsConfig = MOPO_DYNAMICS
    schedule: BranchedSchedule = field(default_factory=BranchedSchedule)
    transitions: TransitionMode = TransitionMode.EXACT  # on D4RL as MOPO's code; see continuous.data.transitions
    largest_state: float | None = None  # paths of the model end where any |s'_i| reaches it; OfflineRL-Kit: 100
    evaluation_episodes: int = 10

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("penalty_weight", self.penalty_weight, 0.0, "0 is MBPO.")
        check_at_least("evaluation_episodes", self.evaluation_episodes, 1)


class MOPO(ModelBased[SoftActorCritic]):
    """MOPO for several seeds.

    Args:
        table: the offline data with its own rewards.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
        true_step: T, which only the penalty by the true error needs.

    Raises:
        InvalidArgumentError: the true error without T.
    """

    def __init__(
        self,
        table: TransitionTable,
        config: MOPOConfig,
        seeds: Sequence[int],
        surroundings: Surroundings,
        true_step: TrueStep | None = None,
    ) -> None:
        super().__init__(
            "mopo",
            table,
            seeds,
            schedule=config.schedule,
            dynamics=config.dynamics,
            evaluation_episodes=config.evaluation_episodes,
            settings=settings_as_json(config),
            surroundings=surroundings,
        )
        self._config = config
        self.charge_waits = config.penalty is Penalty.TRUE_ERROR
        sizes = (table.observation_size, table.action_size)
        self._penalized = PenalizedModel(self.model, config.penalty, config.penalty_weight, true_step)
        self.learner = SoftActorCritic(*sizes, config.learner, seeds, table.rows.device)

    def rollout_model(self) -> PenalizedModel:
        """The ensemble with its penalty."""
        return self._penalized

    def rollout_policy(self) -> ActingPolicy:
        """The policy, or uniform actions."""
        return UniformPolicy(self.table.action_size) if self._config.random_rollout_actions else self.learner.policy

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ensemble's step, and lambda u."""
        return self._penalized.charged_step(state, action, streams)

    def update(self) -> None:
        """One update of soft actor-critic."""
        streams, rows = self.streams["updates"], self._config.schedule.batch_size
        batch = self.sampler.draw()
        noise, next_noise = self.learner.policy.noise(streams, 2 * rows).chunk(2, dim=1)  # one kernel a seed on a GPU
        self.learner.update(batch, noise, next_noise)
