"""Deep AMPL: alternating model-policy learning on D4RL data, K seeds side by side; an `ampl.interfaces.Algorithm`.

Source: "A Unified Framework for Alternating Offline Model Training and Policy Learning" (NeurIPS 2022), Algorithm 1:

    fit the model by maximum likelihood                                         Eq. 4, `EnsembleDynamics.fit`
    for every epoch:
        every so often: estimate the weights, refit the model with them         Eqs. 11 and 6, `continuous.weights`
        roll the model out from states of D_env with the policy                 `roll_out`
        for every update:
            critic, policy and discriminator                                    Eqs. 12-17, `ActorCritic.update`

The loop is `ampl.training.train`'s; when what happens is in `schedule.py`, all settings in `config.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.interfaces import Array, State
from continuous.algorithms.ampl.config import AMPLConfig, KnownWeights, ModelObjective
from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.algorithms.ampl.discriminator import Discriminator
from continuous.algorithms.ampl.policy import GaussianPolicyConfig, ImplicitPolicyConfig
from continuous.algorithms.ampl.rewards import rescale_rewards, reward_units
from continuous.algorithms.ampl.schedule import AMPLSchedule
from continuous.algorithms.ampl.update import ActorCritic, Draws
from continuous.algorithms.ampl.value_model_loss import ValueModelLoss
from continuous.algorithms.config import recorded_fields
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.offline import Surroundings
from continuous.model.ensemble import reward_bound, state_bound
from continuous.model.loss import LikelihoodLoss, ModelLoss
from continuous.networks.acting import BestOfSeveral
from continuous.networks.seed_state import load_seed_state, prefixed, without_prefix
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.weights.estimator import normalize_weights

_OWN_UNITS = (1.0, 0.0)
_POLICIES = {kind.__name__: kind for kind in (ImplicitPolicyConfig, GaussianPolicyConfig)}


class AMPL(ModelBased[ActorCritic, AMPLConfig]):
    """AMPL for several seeds.

    Args:
        table: the offline data, rewards rescaled, on the device that trains.
        config: every hyperparameter.
        seeds: K of them.
        surroundings: of the task and the machine.
        reward_units: slope and intercept of the task's reward in the table's; see `rewards.reward_units`.
    """

    name = "ampl"
    stream_names = ("model", "weights", "rollouts", "updates")
    takes_models_of = ("ampl",)  # the rewards that it is fitted to are rescaled

    def __init__(
        self,
        table: TransitionTable,
        config: AMPLConfig,
        seeds: Sequence[int],
        surroundings: Surroundings,
        reward_units: tuple[float, float] = _OWN_UNITS,
    ) -> None:
        super().__init__(table, config, seeds, surroundings, bounds=(state_bound(table), reward_bound(table)))
        self._slope, self._intercept = reward_units
        self._imitates = False
        self.updates_at_once = config.schedule.policy_period
        self.shares_rollout_action = config.shared_rollout_action
        sizes, device = (table.observation_size, table.action_size), table.rows.device
        with self.computing():
            self.learner = ActorCritic(
                config.policy.build(*sizes, seeds, device),
                TwinCritic(*sizes, config.critic, seeds, device, config.discount),
                Discriminator(*sizes, config.regularizer, seeds, device),
                self.model,
                config.policy_update,
            )
            self.estimator = (
                None
                if config.weights is None
                else config.weights.build(*sizes, seeds, self.model, device, config.discount)
            )
        self._second_pair_only = config.regularizer.second_pair_only
        kept = config.regularizer.weighted or config.known_weights is KnownWeights.EXACT
        self._row_weights = torch.ones(len(seeds), table.n_transitions, device=device) if kept else None
        check_at_least("transitions of the data", table.n_transitions, 2 if self._second_pair_only else 1)

    @classmethod
    def on_data(
        cls, table: TransitionTable, settings: AMPLConfig, seeds: Sequence[int], surroundings: Surroundings
    ) -> Self:
        """With rescaled rewards, and with start states of the simulator where there is one.

        Raises:
            InvalidArgumentError: the exact weights are asked for where nobody knows them.
        """
        evaluation = surroundings.evaluation
        if settings.known_weights is KnownWeights.EXACT and not (evaluation and evaluation.knows_exact_weights):
            raise InvalidArgumentError(
                "known_weights is exact, but the true weights are not known on this task. Take a task lqr-..., or the "
                "variant main or nw."
            )
        draw = surroundings.start_states
        starts = table.start_state if draw is None else draw(settings.schedule.start_states).to(table.rows.device)
        rescaled = table.changed(reward=rescale_rewards(table.reward), start_state=starts)
        return cls(rescaled, settings, seeds, surroundings, reward_units(table.reward, rescaled.reward))

    @staticmethod
    def saved_actor(sizes: tuple[int, int], settings: Mapping[str, Any], state: State) -> BestOfSeveral:
        """See `OfflineAlgorithm`."""
        kind = _POLICIES[settings["policy"]["kind"]]
        policy = kind(**recorded_fields(settings["policy"])).build(*sizes, [0], "cpu")
        critic = TwinCritic(*sizes, CriticConfig(hidden=tuple(settings["critic"]["hidden"])), [0])
        load_seed_state(policy.state_dict(), 0, without_prefix("learner/policy", state))
        load_seed_state(critic.online.state_dict(), 0, without_prefix("learner/critic/online", state))
        count = int(settings["evaluation_actions"])
        return BestOfSeveral(actor=policy.snapshot(0), critic=critic.snapshot(0), count=count)

    @property
    def schedule(self) -> AMPLSchedule:
        """Counts of epochs and updates, the warm start and the annealing of the real rows."""
        return self.settings.schedule

    @property
    def retrain_period(self) -> int | None:  # type: ignore[override]
        """Epochs between refits; None for the ablation without."""
        refits = self.settings.known_weights is not KnownWeights.NONE or self.estimator is not None
        return self.schedule.retrain_period if refits else None

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Mapping[str, float]]:
        """(Weighted) maximum likelihood of the ensemble, from where the last fit ended.  Eqs. 4 and 6."""
        if self._row_weights is not None and weights is not None:
            self._row_weights.copy_(torch.from_numpy(np.stack(weights)))
        return super().fit_model(weights)

    def model_loss(self, weights: Tensor | None) -> ModelLoss:
        """The likelihood; for the ablation, from the second fit on, the values of next states."""
        if self.settings.model_objective is ModelObjective.LIKELIHOOD or weights is None:
            return LikelihoodLoss()
        return ValueModelLoss(self.learner.critic.first_head(), self.learner.policy, self.model.standardization)

    def estimate_weights(self) -> Sequence[Array]:
        """The weights of the current policies by the configured estimator (Eq. 11), or known ones.

        Ones for a policy that has no exact weights.
        """
        if (known := self.settings.known_weights) is not KnownWeights.NONE:
            exact = self.exact_weights() if known is KnownWeights.EXACT else [None] * len(self.seeds)
            found = (np.ones(1) if weights is None else weights for weights in exact)
            scaled = [np.broadcast_to(weights / weights.mean(), self.table.n_transitions) for weights in found]
            return [weights.astype(np.float32) for weights in scaled]
        assert self.estimator is not None
        with self.computing():
            policy, critic = self.learner.policy, self.learner.critic
            weights = self.estimator.estimate(self.table, policy, critic, self.streams["weights"])
        return list(weights.cpu().numpy())

    def fit_weights(self) -> Tensor:
        """Those of the newest refit: the estimator's, known ones, or one everywhere."""
        if self.estimator is not None:
            return normalize_weights(self.estimator.network.of_table(self.table))
        if self._row_weights is not None:
            return self._row_weights
        return torch.ones(len(self.seeds), self.table.n_transitions, device=self._device)

    def exact_weights(self) -> Sequence[Array | None]:
        """Of the current policies, float32 as the estimated ones; see `continuous.algorithms.linear_gaussian_truth`."""
        evaluation = self.surroundings.evaluation
        found = [None] * len(self.seeds) if evaluation is None else evaluation.exact_weights(self)
        return [None if weights is None else weights.astype(np.float32) for weights in found]

    def begin_epoch(self, epoch: int) -> None:
        """The real rows of a batch, and whether the policy only imitates."""
        super().begin_epoch(epoch)
        if (imitates := self.schedule.imitates(epoch)) != self._imitates:
            self._imitates = imitates
            self.forget_recorded()

    def roll_out(self) -> Mapping[str, Tensor]:
        """Branched rollouts into the buffer; not in every epoch, so no metrics of them."""
        super().roll_out()
        return {}

    def update(self) -> None:
        """As many iterations as the policy is updated once in."""
        for index in range(self.updates_at_once):
            self.learner.update(self.draws(), trains_policy=index == 0, imitates=self._imitates)

    def draws(self) -> Draws:
        """What is random in one iteration."""
        size, streams = self.schedule.batch_size, self.streams["updates"]
        weights = self._row_weights if self.settings.regularizer.weighted else None
        batch = self.mixed_batch()
        fake_state = batch.state if self._second_pair_only else self.mixed_batch().state
        n_true = size if self._second_pair_only else 2 * size
        rows = streams.integers(self.table.n_transitions - int(self._second_pair_only), n_true)
        true = self.table.gather(rows)
        noise = self.learner.policy.noise(streams, 4 * size).chunk(4, dim=1)  # one kernel a seed on a GPU
        return Draws(
            batch=batch,
            fake_state=fake_state,
            true=true,
            true_next=self.table.gather(rows + 1) if self._second_pair_only else true,
            true_weight=torch.ones_like(true.reward) if weights is None else weights.gather(1, rows),
            target_noise=noise[0],
            value_noise=noise[1],
            first_noise=noise[2],
            second_noise=noise[3],
            model_noise=streams.normal(size, self.table.observation_size + 1),
            model_shift=streams.integers(self.model.config.elites, 1),
            label_uniform=streams.uniform(n_true),
        )

    def charged_step(
        self, state: Tensor, action: Tensor, streams: SeedStreams
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ensemble's step with rewards in the task's units, and nothing: AMPL subtracts nothing."""
        next_state, reward, terminal = self.model.step(state, action, streams)
        return next_state, self._slope * reward + self._intercept, terminal, torch.zeros_like(reward)

    def in_reward_units(self, value: Tensor, discounted_length: Tensor) -> Tensor:
        """Critics learn from rescaled rewards, and value paths that only an end stops."""
        return self._slope * value + self._intercept * discounted_length

    def actor(self, index: int) -> BestOfSeveral:
        """Of several actions that the policy draws at a state, the one of largest min_j Q_j."""
        return BestOfSeveral(
            actor=self.learner.policy.snapshot(index),
            critic=self.learner.critic.snapshot(index),
            count=self.settings.evaluation_actions,
        )

    def best_action(self, state: Tensor, streams: SeedStreams) -> Tensor:
        """The same on the device: from [K, B, D] to [K, B, A]."""
        count, policy = self.settings.evaluation_actions, self.learner.policy
        repeated = state.repeat_interleave(count, dim=1)  # [K, B count, D]
        action = policy.sample(repeated, policy.noise(streams, repeated.shape[1]))[0]
        value = self.learner.critic.action_value(repeated, action).amin(1).view(len(state), -1, count)  # [K, B, count]
        best = value.argmax(-1)[..., None, None].expand(-1, -1, 1, action.shape[-1])
        return action.view(len(state), -1, count, action.shape[-1]).gather(2, best)[:, :, 0].nan_to_num()

    def tensors(self) -> dict[str, Tensor]:
        """The estimator's, too, and the newest weights where the regularizer or the certificates need them."""
        estimator = {} if self.estimator is None else prefixed("estimator", self.estimator.state_dict())
        weights = {} if self._row_weights is None else {"row_weights": self._row_weights}
        return super().tensors() | estimator | weights
