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

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ampl.arithmetic import DEFAULT, Arithmetic
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Array, Evaluation, Metrics, State
from continuous.algorithms.ampl.config import AMPLConfig, ModelObjective
from continuous.algorithms.ampl.critic import TwinCritic
from continuous.algorithms.ampl.discriminator import Discriminator
from continuous.algorithms.ampl.draws import Sampler
from continuous.algorithms.ampl.update import ActorCritic
from continuous.algorithms.ampl.value_model_loss import ValueModelLoss
from continuous.evaluation.acting import BestOfSeveral
from continuous.evaluation.evaluator import Evaluator
from continuous.evaluation.policy_evaluation import PolicyEvaluation
from continuous.model.ensemble import EnsembleDynamics, reward_bound, state_bound
from continuous.model.loss import LikelihoodLoss, ModelLoss
from continuous.model.rollout import paths_at_once, published_paths, roll_out
from continuous.networks.arithmetic import arithmetic_on
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams, prefixed, without_prefix
from continuous.replay.buffers import ModelBuffer, TransitionTable
from continuous.tasks.termination import Termination

_STREAMS = ("model", "weights", "rollouts", "updates")


class AMPL:
    """AMPL for several seeds.

    Args:
        table: the offline data, rewards rescaled, on the device that trains.
        config: every hyperparameter.
        seeds: K of them.
        termination: the task's rule.
        evaluator: gives an evaluator of the task in any process, for a number of episodes.
        score: from an evaluation to metrics, likewise.
        description: what the data is, for config.json.
        dataset_sha256: of the data's file.
        arithmetic: threads and precision.
        notes: for the user.
    """

    name = "ampl"
    evaluates_exactly = False

    def __init__(
        self,
        table: TransitionTable,
        config: AMPLConfig,
        seeds: Sequence[int],
        *,
        termination: Termination,
        evaluator: Callable[[int], Evaluator],
        score: Callable[[Any], Metrics],
        description: Mapping[str, Any],
        dataset_sha256: str | None = None,
        arithmetic: Arithmetic = DEFAULT,
        notes: Sequence[str] = (),
    ) -> None:
        self.seeds = tuple(seeds)
        self.dataset_sha256 = dataset_sha256
        self._table, self._config, self._description = table, config, description
        self.arithmetic, self._notes = arithmetic, tuple(notes)
        self._evaluator, self._score = evaluator, score
        device = self._device = table.rows.device
        sizes = (table.observation_size, table.action_size)
        self._streams = {name: SeedStreams(seeds, name, device) for name in _STREAMS}
        with self._computing():
            self._model = EnsembleDynamics(
                *sizes,
                config.dynamics,
                seeds,
                termination=termination,
                state_bound=state_bound(table),
                reward_bound=reward_bound(table),
                device=device,
            )
            self._learner = ActorCritic(
                config.policy.build(*sizes, seeds, device),
                TwinCritic(*sizes, config.critic, seeds, device),
                Discriminator(*sizes, config.regularizer, seeds, device),
                self._model,
                config.policy_update,
            )
            schedule = config.schedule
            self._estimator = config.build_estimator(*sizes, seeds, self._model, device)
            self._buffer = ModelBuffer(len(seeds), schedule.buffer_capacity, table.layout, device)
        weighted = config.regularizer.weighted
        self._row_weights = torch.ones(len(seeds), table.n_transitions, device=device) if weighted else None
        self._sampler = Sampler(
            table=table,
            buffer=self._buffer,
            policy=self._learner.policy,
            streams=self._streams["updates"],
            batch_size=config.batch_size,
            elites=config.dynamics.elites,
            second_pair_only=config.regularizer.second_pair_only,
            weights=self._row_weights,
        )
        self._repetitions: dict[tuple[int, bool], Repetition] = {}

    @property
    def retrain_period(self) -> int | None:
        """Epochs between refits; None for the ablation without."""
        return None if self._estimator is None else self._config.schedule.retrain_period

    @property
    def steps_per_epoch(self) -> int:
        """Iterations in an epoch."""
        return self._config.schedule.steps_per_epoch

    @property
    def device(self) -> str:
        """The word cpu, or the name of the GPU."""
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"

    def notes(self) -> Sequence[str]:
        """What the user should know of the run."""
        return self._notes

    def config(self) -> Mapping[str, Any]:
        """Every hyperparameter, and which data."""
        return {"data": dict(self._description), **self._config.as_json()}

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """(Weighted) maximum likelihood of the ensemble, from where the last fit ended.  Eqs. 4 and 6."""
        with self._computing():
            stacked = None if weights is None else torch.from_numpy(np.stack(weights)).float().to(self._device)
            if self._row_weights is not None and stacked is not None:
                self._row_weights.copy_(stacked)
            return self._model.fit(self._table, stacked, self._streams["model"], self._model_loss(stacked))

    def estimate_weights(self) -> Sequence[Array]:
        """The weights of the current policies by the configured estimator.  Eq. 11."""
        assert self._estimator is not None
        with self._computing():
            weights = self._estimator.estimate(
                self._table, self._learner.policy, self._learner.critic, self._streams["weights"]
            )
        return list(weights.cpu().numpy())

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One epoch: rollouts, and after each its share of the iterations."""
        schedule = self._config.schedule
        self._learner.clear()
        with self._computing():
            iterations = self._iterations(schedule.real_rows(epoch, self._config.batch_size), schedule.imitates(epoch))
            for _ in range(schedule.steps_per_epoch // schedule.rollout_period):
                if schedule.rolls_out(epoch):
                    self._roll_out()
                iterations.run(schedule.rollout_period // schedule.policy_period)
        means = {name: (total / schedule.steps_per_epoch) for name, total in self._learner.sums.items()}
        means["critic/value_scale"] = self._learner.value_scale
        columns = torch.stack(list(means.values())).cpu().numpy()  # [metrics, K], the epoch's one transfer
        return [dict(zip(means, map(float, column), strict=True)) for column in columns.T]

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        """Scores: of several actions that the policy draws at a state, the one of largest min_j Q_j is taken."""
        chosen = self._config.evaluation_episodes if request.episodes is None else request.episodes
        sound = self._learner.is_sound()
        return [
            PolicyEvaluation(
                evaluator=partial(self._evaluator, chosen),
                score=self._score,
                policy=self._actor(index),
                seed=seed,
                stream=request.stream,
                sound=sound[index],
            )
            for index, seed in enumerate(self.seeds)
        ]

    def state(self, index: int) -> State:
        """Everything of one seed."""
        parts = {"model": self._model, "learner": self._learner, "buffer": self._buffer}
        state: dict[str, Array] = {}
        for name, part in parts.items():
            state |= prefixed(name, part.state(index))  # type: ignore[attr-defined]
        if self._estimator is not None:
            state |= prefixed("estimator", self._estimator.state(index))
        if self._row_weights is not None:
            state["row_weights"] = self._row_weights[index].cpu().numpy().copy()
        return state | {f"streams/{name}": streams.state(index) for name, streams in self._streams.items()}

    def load_state(self, index: int, state: State) -> None:
        """Puts one seed back to where `state` was taken."""
        self._model.load_state(index, without_prefix("model", state))
        self._learner.load_state(index, without_prefix("learner", state))
        self._buffer.load_state(index, without_prefix("buffer", state))
        if self._estimator is not None:
            self._estimator.load_state(index, without_prefix("estimator", state))
        if self._row_weights is not None:
            self._row_weights[index] = torch.from_numpy(np.array(state["row_weights"])).to(self._device)
        for name, streams in self._streams.items():
            streams.load_state(index, state[f"streams/{name}"])

    def _iterations(self, real_rows: int, imitates: bool) -> Repetition:
        """Repeats as many iterations as the policy is updated once in, with batches of so many real rows."""

        def iterations() -> None:
            for index in range(self._config.schedule.policy_period):
                self._learner.update(self._sampler.draw(real_rows), trains_policy=index == 0, imitates=imitates)

        key = real_rows, imitates
        if key not in self._repetitions:
            self._repetitions = {key: Repetition(iterations, [self._streams["updates"]], self._device)}
        return self._repetitions[key]

    def _roll_out(self) -> None:
        roll_out(
            self._model,
            self._learner.policy,
            self._table,
            self._buffer,
            length=self._config.rollout_length,
            paths=published_paths(self._config.rollout_length, self._config.schedule.rollout_transitions),
            streams=self._streams["rollouts"],
            shared_action=self._config.shared_rollout_action,
            chunk=paths_at_once(self._device, len(self.seeds) * self._model.config.members),
        )

    def _model_loss(self, weights: Tensor | None) -> ModelLoss:
        """The likelihood; for the ablation, from the second fit on, the values of next states."""
        if self._config.model_objective is ModelObjective.LIKELIHOOD or weights is None:
            return LikelihoodLoss()
        return ValueModelLoss(self._learner.critic.first_head(), self._learner.policy, self._model.standardization)

    def _actor(self, index: int) -> BestOfSeveral:
        """One seed's policy as it is evaluated: a copy."""
        return BestOfSeveral(
            actor=self._learner.policy.snapshot(index),
            critic=self._learner.critic.snapshot(index),
            count=self._config.evaluation_actions,
        )

    def _computing(self) -> AbstractContextManager[None]:
        """How products are computed."""
        return arithmetic_on(self._device, self.arithmetic)
