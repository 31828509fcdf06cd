"""One iteration of deep AMPL: critics, policy and discriminator, as a function of tensors only.

Reads beside Algorithm 1, lines "critic" to "discriminator", of "A Unified Framework for Alternating Offline Model
Training and Policy Learning" (NeurIPS 2022). What is random in an iteration is drawn before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ampl.errors import check_at_least
from continuous.algorithms.ampl.critic import TwinCritic
from continuous.algorithms.ampl.discriminator import Discriminator, Pairs, raw_action
from continuous.algorithms.ampl.policy import StackedPolicy
from continuous.algorithms.learner import ValueLearner
from continuous.model.ensemble import EnsembleDynamics
from continuous.networks.adam import StackedAdam, check_betas
from continuous.networks.stacks import StackedMLP, frozen
from continuous.replay.buffers import Batch

METRICS = (
    "critic/loss",
    "critic/value_mean",
    "policy/generator_loss",
    "discriminator/loss",
    "discriminator/fake_logit_mean",
    "discriminator/true_logit_mean",
)


@dataclass(frozen=True, kw_only=True)
class PolicyUpdateConfig:
    """How the policy is trained, as in the published runs."""

    value_weight: float = 10.0  # lambda of Eq. 17 before division by the mean |Q|, dimensionless
    regularized: bool = True  # false, an ablation: after the warm start the policy only maximizes Q, undivided
    value_scale_rate: float = 0.005  # how far the mean |Q| follows in one iteration
    target_rate: float = 0.005  # how far the target policy follows
    learning_rate: float = 2e-4  # of Adam
    betas: tuple[float, float] = (0.4, 0.999)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("value_weight", "value_scale_rate", "target_rate", "learning_rate"):
            check_at_least(name, getattr(self, name), 0.0)
        check_betas(self.betas)


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Everything random in an iteration, for batches of B rows; noise is standard normal, [K, B, ...]."""

    batch: Batch  # for the critics and the policy's value, real rows first
    fake_state: Tensor  # where the policy's first pairs begin, drawn like the batch, [K, B, D]
    true: Batch  # real rows, 2 B of them, to be told from the 2 B pairs of the policy; B if only second pairs count
    true_next: Batch  # the rows after them in the data, if only second pairs count; otherwise `true` again
    true_weight: Tensor  # w of the true rows, [K, 2 B] or [K, B]
    target_noise: Tensor  # of the target policy at s'
    value_noise: Tensor  # of the policy at s
    first_noise: Tensor  # of the policy in the first pair of Eq. 14
    second_noise: Tensor  # and in the second
    model_noise: Tensor  # of the model between them, [K, B, D + 1]
    model_shift: Tensor  # how its rows are dealt to the elites, [K, 1]
    label_uniform: Tensor  # in [0, 1), as many as true rows


class ActorCritic(ValueLearner):
    """Policy, critics and discriminator of K seeds, and their joint iteration.

    Args:
        policy: pi.
        critic: Q_1 and Q_2.
        discriminator: of the regularizer.
        model: gives the second pair of Eq. 14.
        config: of the policy's update.

    Attributes:
        target_policy: follows the policy; gives the actions of Eq. 12.
        value_scale: the running mean |Q|, 0 before the first iteration, [K].
    """

    metrics = METRICS
    policy: StackedPolicy
    value_scale: Tensor

    def __init__(
        self,
        policy: StackedPolicy,
        critic: TwinCritic,
        discriminator: Discriminator,
        model: EnsembleDynamics,
        config: PolicyUpdateConfig,
    ) -> None:
        super().__init__(policy.network.stack[0], policy.network.values.device)
        self.policy, self.critic, self.discriminator, self.model = policy, critic, discriminator, model
        self.config = config
        self.target_policy = frozen(policy)
        self.optimizer = StackedAdam(policy.network, learning_rate=config.learning_rate, betas=config.betas)
        self.register_buffer("value_scale", torch.zeros_like(self.sums["critic/loss"]))

    @property
    def levels(self) -> Mapping[str, Tensor]:
        """The running mean |Q| that Eq. 17 divides by."""
        return {"critic/value_scale": self.value_scale}

    @property
    def discount(self) -> float:
        """gamma."""
        return self.critic.discount

    @property
    def critics(self) -> StackedMLP:
        """Those that are trained."""
        return self.critic.online

    def action_value(self, state: Tensor, action: Tensor) -> Tensor:
        """The twin critics at states [K, B, D] and actions [K, B, A]: [K, 2, B]."""
        return self.critic.action_value(state, action)

    def update(self, draws: Draws, *, trains_policy: bool, imitates: bool) -> None:
        """One iteration.

        Args:
            draws: its batches and noise.
            trains_policy: whether the policy takes a step; the critics and the discriminator always do.
            imitates: whether the policy follows the regularizer alone, as in the warm start.
        """
        batch = draws.batch  # from D = f D_env + (1 - f) D_model
        with torch.no_grad():
            next_action = self.target_policy.sample(batch.next_state, draws.target_noise)[0]
        critic_loss = self.critic.update(batch, next_action)  # Eqs. 12-13

        with torch.set_grad_enabled(trains_policy):
            fake, true = self._pairs(draws)  # Eq. 14
            action = self.policy.sample(batch.state, draws.value_noise)[0]
            value = self.critic.action_value(batch.state, action).amin(1)  # min_j Q_j(s, pi(s)), [K, B]
        fake_logits, true_logits = self.discriminator.logits(fake), self.discriminator.logits(true)
        generator_loss = self.discriminator.generator_loss(fake_logits, fake)  # Eq. 15
        discriminator_loss = self.discriminator.discriminator_loss(
            true_logits, true, fake_logits, fake, draws.label_uniform
        )  # Eq. 16
        value_scale = value.detach().abs().mean(-1)  # [K]
        self.value_scale.copy_(torch.where(self.value_scale == 0.0, value_scale, self.value_scale))
        if trains_policy:
            loss = self._policy_loss(value, generator_loss, imitates)  # Eq. 17
            policy_gradient = self.policy.network.gradient(loss.sum(), retain_graph=True)
            self.optimizer.step(policy_gradient)
        self.discriminator.step(self.discriminator.network.gradient(discriminator_loss.sum()))

        self.critic.follow()
        self.target_policy.network.follow(self.policy.network, self.config.target_rate)
        self.value_scale.lerp_(value_scale, self.config.value_scale_rate)
        self.record(critic_loss, value, generator_loss, discriminator_loss, fake_logits, true_logits)

    def _policy_loss(self, value: Tensor, generator_loss: Tensor, imitates: bool) -> Tensor:
        """-lambda mean Q + L_g with lambda = value_weight / mean |Q|, [K].  Eq. 17."""
        if imitates:
            return generator_loss
        if not self.config.regularized:
            return -value.mean(-1)
        return -self.config.value_weight / self.value_scale * value.mean(-1) + generator_loss

    def _pairs(self, draws: Draws) -> tuple[Pairs, Pairs]:
        """The policy's pairs and the data's.  Eq. 14, or its second half alone."""
        if self.discriminator.config.second_pair_only:
            return self._second_pairs(draws)
        state = draws.fake_state
        action, raw = self.policy.sample(state, draws.first_noise)
        next_state, _, terminal = self._model_step(state, action.detach(), draws)
        next_raw = self.policy.sample(next_state, draws.second_noise)[1]
        pair = torch.cat((torch.cat((state, raw), -1), torch.cat((next_state, next_raw), -1)), 1)  # [K, 2 B, D + A]
        present = torch.cat((torch.ones_like(terminal), ~terminal), 1)  # no pair begins where the episode ended
        weight = torch.ones_like(pair[..., 0])
        data = torch.cat((draws.true.state, raw_action(draws.true.action)), -1)
        return Pairs(pair=pair, weight=weight, present=present), Pairs(pair=data, weight=weight, present=present)

    def _second_pairs(self, draws: Draws) -> tuple[Pairs, Pairs]:
        """(s', a') after the data's (s, a): by model and policy, and by the next row of the data."""
        first, second = draws.true, draws.true_next
        next_state, _, terminal = self._model_step(first.state, first.action, draws)
        next_raw = self.policy.sample(next_state, draws.second_noise)[1]
        fake = torch.cat((next_state, next_raw), -1)
        true = torch.cat((second.state, raw_action(second.action)), -1)
        weighted = self.discriminator.config.weighted
        weight = draws.true_weight * ~first.terminal if weighted else draws.true_weight
        return (
            Pairs(pair=fake, weight=weight, present=~terminal),
            Pairs(pair=true, weight=weight, present=~terminal),
        )

    def _model_step(self, state: Tensor, action: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        predicted = self.model.predict(state, action, draws.model_noise, draws.model_shift)
        return self.model.finish(state, action, *predicted)
