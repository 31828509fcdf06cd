"""One update of deep DAMO: classifier, dual conservative critic, consistent actor, for stacked seeds.

    Q:   min  (1-gamma) E[Q(s0, pi)] + alpha E_batch[f*(delta / alpha)],   delta = y - Q(s, a)               (Eq. 2)
         y = r - alpha R + gamma (min_j Q'_j(s', a') - temperature log pi(a'|s'))
    pi:  max  the same, in which the policy enters by a0 and a'

Source: DAMO, sections 5.1-5.3. Its available text has lost the formulas, so all of this is reconstructed, from its
prose and from OMPO's code, its parent; each choice is a setting. The exact counterparts are
`tabular.alignment.inner_minimum` for Q and `tabular.alignment.policy_objectives` for pi.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError, check_at_least
from continuous.algorithms.damo.classifier import ClassifierConfig, TransitionClassifier
from continuous.algorithms.sac.learner import KIT_LEARNER, METRICS, SoftActorCritic, SoftActorCriticConfig
from continuous.replay.buffers import Batch


class Conjugate(StrEnum):
    """f*, what residuals cost."""

    TWO_SIDED = "two-sided"  # (2/3) |y|^1.5, as in OMPO's critic: large residuals of either sign are costly
    ONE_SIDED = "one-sided"  # (2/3) max(y, 0)^1.5, the conjugate of x^3/3 on x >= 0
    CHI_SQUARED = "chi-squared"  # y + y^2/4, the conjugate of (x - 1)^2 over all x


class Actor(StrEnum):
    """How the policy is trained."""

    FIXED_SLOPE = "fixed-slope"  # stabilized: f*' is held at one
    FIXED_ALPHA = "fixed-alpha"  # the other reading of the paper: alpha is held at one in the actor's objective
    UNSTABILIZED = "unstabilized"  # Eq. 2's gradient, with f*' not below zero, as in OMPO (see `conjugate_slope`)
    INCONSISTENT = "inconsistent"  # soft actor-critic's: max min_j Q_j - temperature log pi at the batch's states


class Twins(StrEnum):
    """What stands for Q in the actors that maximize Eq. 2; soft actor-critic's takes the smaller one."""

    MEAN = "mean"  # OMPO averages the losses of both
    SMALLER = "smaller"


@dataclass(frozen=True, kw_only=True)
class DAMOLearnerConfig:
    """Hyperparameters of one update."""

    alpha: float  # coefficient of both alignments, by dataset
    conjugate: Conjugate = Conjugate.TWO_SIDED
    detaches_target: bool = True  # y by target networks without gradient, as in OMPO; false: Eq. 2 as it stands
    actor: Actor = Actor.FIXED_SLOPE
    actor_twins: Twins = Twins.MEAN
    data_alignment: bool = True  # false: R = 0, "w/o er"
    behavior_alignment: bool = True  # false: squared errors and soft actor-critic's actor, "w/o ir"
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    learner: SoftActorCriticConfig = KIT_LEARNER

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("alpha", self.alpha, 1e-12, "DAMO's coefficient is positive.")
        if not self.behavior_alignment and self.actor is not Actor.INCONSISTENT:
            raise InvalidArgumentError(
                f"actor is {self.actor.value} without behavior alignment; expected inconsistent, for then there is no "
                "dual objective to be consistent with."
            )


@dataclass(frozen=True, kw_only=True)
class DAMODraws:
    """Everything random in an update, [K, ...]."""

    batch: Batch  # real rows first
    real: Batch  # for the classifier
    imagined: Batch
    start_state: Tensor  # [K, B, D]
    noise: Tensor  # of the policy at the batch's states, standard normal, [K, B, A]
    next_noise: Tensor  # at their next states
    start_noise: Tensor  # at the start states
    mixing: Tensor | None = None  # of real and imagined rows, for the classifier's gradient penalty, [K, rows of each]


class DAMOLearner(SoftActorCritic):
    """Classifier, critics and policy of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        damo: hyperparameters.
        seeds: K of them.
        device: where everything lives.
    """

    metrics = (
        *METRICS,
        "classifier/loss_nats",
        "classifier/logit_real_nats",
        "classifier/logit_model_nats",
    )

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        damo: DAMOLearnerConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(observation_size, action_size, damo.learner, seeds, device)
        self.damo = damo
        self.classifier = TransitionClassifier(observation_size, action_size, damo.classifier, seeds, device)

    def update_all(self, draws: DAMODraws) -> None:
        """One update of everything."""
        classified = self.classifier.update(draws.real, draws.imagined, draws.mixing)  # loss and logits
        batch = self.aligned(draws.batch)
        if self.damo.behavior_alignment:
            critic_loss = self.update_dual_critics(batch, draws)
        else:
            critic_loss = self._update_critics(batch, draws.next_noise)
        value, policy_loss, entropy = self._update_actor(draws)
        self._update_temperature(entropy)
        self.critic_target.follow(self.critic_online, self.config.target_rate)
        self.record(critic_loss, value, policy_loss, entropy, self.temperature[:, 0], *classified)

    def aligned(self, batch: Batch, coefficient: float | None = None) -> Batch:
        """The batch with rewards r - alpha R, or another coefficient of R."""
        if not self.damo.data_alignment:
            return batch
        alpha = self.damo.alpha if coefficient is None else coefficient
        return batch._replace(reward=batch.reward - alpha * self.classifier.log_ratio(batch))

    def update_dual_critics(self, batch: Batch, draws: DAMODraws) -> Tensor:
        """One step of both twins down Eq. 2; their mean loss, [K]."""
        loss = self.dual_objective(batch, draws)  # [K, 2]
        self.critic_optimizer.step(self.critic_online.gradient(loss.sum()))
        return loss.detach().mean(-1)

    def dual_objective(self, batch: Batch, draws: DAMODraws) -> Tensor:
        """Eq. 2 of each twin, [K, 2].

        Args:
            batch: with aligned rewards.
            draws: start states and noise.
        """
        with torch.no_grad():
            start_action = self.policy.sample(draws.start_state, draws.start_noise)[0]
        states, actions = _rows(batch.state, draws.start_state), _rows(batch.action, start_action)
        rows = [batch.state.shape[1], draws.start_state.shape[1]]
        value, start_value = torch.split(self.action_value(states, actions), rows, dim=-1)  # one pass for both
        residual = (self._target(batch, draws.next_noise) - value) / self.damo.alpha
        cost = conjugate_value(self.damo.conjugate, residual).mean(-1)
        return (1.0 - self.config.discount) * start_value.mean(-1) + self.damo.alpha * cost

    def _target(self, batch: Batch, next_noise: Tensor) -> Tensor:
        """y, [K, 1, B] of target networks or [K, 2, B] of the twins themselves."""
        if self.damo.detaches_target:
            return self.bellman_target(batch, next_noise)[:, None]
        with torch.no_grad():
            action, log_probability = self.policy.sample_with_log_probability(batch.next_state, next_noise)
            entropy = (self.temperature * log_probability)[:, None]
        next_value = self.action_value(batch.next_state, action) - entropy
        return batch.reward[:, None] + self.config.discount * ~batch.terminal[:, None] * next_value

    def _update_actor(self, draws: DAMODraws) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the policy; its value [K, B], loss [K] and entropy [K]."""
        batch = draws.batch
        if self.damo.actor is Actor.INCONSISTENT:
            value, log_probability = self._policy_value(batch.state, draws.noise, Twins.SMALLER)
            loss = (self.temperature * log_probability - value).mean(-1)
        else:
            discount = self.config.discount
            states, noise = _rows(draws.start_state, batch.next_state), _rows(draws.start_noise, draws.next_noise)
            values, log_probabilities = self._policy_value(states, noise, self.damo.actor_twins)  # one pass for both
            rows = [draws.start_state.shape[1], batch.state.shape[1]]
            starting, following = torch.split(values - self.temperature * log_probabilities, rows, dim=-1)
            weight = self.actor_weight(batch, draws.next_noise) * ~batch.terminal
            loss = -((1.0 - discount) * starting.mean(-1) + discount * (weight * following).mean(-1))
            value, log_probability = (torch.split(both, rows, dim=-1)[1] for both in (values, log_probabilities))
        self.policy_optimizer.step(self.policy.network.gradient(loss.sum()))
        return value.detach(), loss.detach(), -log_probability.detach().mean(-1)

    def _policy_value(self, state: Tensor, noise: Tensor, twins: Twins) -> tuple[Tensor, Tensor]:
        """Q at the policy's action and the action's log probability, [K, B] each."""
        action, log_probability = self.policy.sample_with_log_probability(state, noise)
        value = self.action_value(state, action)
        return value.mean(1) if twins is Twins.MEAN else value.amin(1), log_probability

    @torch.no_grad()
    def actor_weight(self, batch: Batch, next_noise: Tensor) -> Tensor:
        """What multiplies the gradient of Q(s', a') in the actor, [K, B]: f*' at the residual, or one.

        Args:
            batch: with the data's and the model's own rewards.
            next_noise: of the policy at next states.
        """
        if self.damo.actor is Actor.FIXED_SLOPE:
            return torch.ones_like(batch.reward)
        alpha = 1.0 if self.damo.actor is Actor.FIXED_ALPHA else self.damo.alpha
        target = self._target(self.aligned(batch, alpha), next_noise)
        residual = (target - self.action_value(batch.state, batch.action)).mean(1)
        return conjugate_slope(self.damo.conjugate, residual / alpha)


def _rows(first: Tensor, second: Tensor) -> Tensor:
    """[K, B, n] and [K, C, n] to [K, B + C, n]."""
    return torch.cat((first, second), dim=1)


def conjugate_value(kind: Conjugate, slope: Tensor) -> Tensor:
    """f*(y), elementwise."""
    if kind is Conjugate.CHI_SQUARED:
        return slope + slope.square() / 4.0
    reach = slope.abs() if kind is Conjugate.TWO_SIDED else slope.clamp(min=0.0)
    return reach.pow(1.5) * (2.0 / 3.0)


def conjugate_slope(kind: Conjugate, slope: Tensor) -> Tensor:
    """f*'(y) as the ratio of occupancies that it stands for, never negative.

    Below zero (two-sided) and below -2 (chi-squared) it is not the slope of `conjugate_value`.
    """
    if kind is Conjugate.CHI_SQUARED:
        return (1.0 + slope / 2.0).clamp(min=0.0)
    return slope.clamp(min=0.0).sqrt()
