"""One update of deep OptiDICE for stacked seeds: dual variables, advantages, and the policy projected from them.

    e(s,a,s') = r + gamma nu(s') - nu(s),   f soft chi-squared,   w = f*'((e - lambda) / alpha)
    nu, lambda:  min  (1 - gamma) E[nu(s0)] + alpha E[f*((e - lambda) / alpha)] + lambda            section 3.1
    e_phi:       min  E[alpha f(w_phi) - w_phi (e - lambda_phi)],   w_phi = f*'((e_phi - lambda_phi) / alpha)
    pi_D:        max  E[log pi_D(a|s)], a mixture of squashed Gaussians
    pi:          min  E[KL(pi(.|s) || w_phi pi_D)]: the information projection                      section 3.3

lambda holds the mean weight at one, which the flow of sampled data alone does not. Every expectation is over the data,
but that a of the projection is the policy's own.

Source: Lee et al. 2021, and its code, where e_phi is trained as here. The exact counterpart is
`tabular.dice.regularized_optimum`; what one sampled s' does to it, `one_sample_minimum` there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor

from ampl.errors import check_at_least, check_fraction, check_positive
from continuous.algorithms.learner import Learner
from continuous.algorithms.optidice.mixture import SquashedMixture, log_probability
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig, raw_action
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import FlatParameters, StackedMLP, check_hidden, relu
from continuous.networks.streams import cpu_generator
from continuous.replay.buffers import Batch


class AdvantageLoss(StrEnum):
    """What trains e_phi, the mean of e over s'."""

    MINIMAX = "minimax"  # the Lagrangian that nu minimizes, in which e_phi gives the weights
    SQUARED = "squared"  # (e_phi - e)^2


@dataclass(frozen=True, kw_only=True)
class OptiDICELearnerConfig:
    """Hyperparameters of one update, those of the published code."""

    alpha: float = 1.0  # coefficient of the divergence from the data, in standardized reward units, by dataset
    discount: float = 0.99  # gamma
    advantage_loss: AdvantageLoss = AdvantageLoss.MINIMAX
    learning_rate: float = 3e-4
    hidden: tuple[int, ...] = (256, 256)  # of nu, of e_phi and of the data's policy
    components: int = 5  # Gaussians that the data's policy mixes
    warm_up: float = 1.0 / 6.0  # share of the run before the policy is trained: 500,000 updates of 3,000,000
    target_entropy: float | None = None  # nats, that the policy has at least; None: minus the action size
    policy: SquashedGaussianConfig = field(default_factory=lambda: SquashedGaussianConfig(lowest_log_std=-5.0))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_positive("alpha", self.alpha, "Without it nothing holds the policy near the data.")
        check_fraction("discount", self.discount)
        check_fraction("warm_up", self.warm_up)
        check_at_least("learning_rate", self.learning_rate, 0.0)
        check_at_least("components", self.components, 1)


class OptiDICELearner(Learner):
    """nu, e_phi, both policies and the multipliers of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        config: hyperparameters.
        seeds: K of them.
        device: where everything lives.

    Attributes:
        trains_policy: whether the warm-up is over.
        nu: [K] networks of s.
        advantage: e_phi, [K] networks of (s, a).
        data_policy: pi_D.
    """

    metrics = (
        "critic/loss",
        "critic/value_mean",
        "critic/weight_mean",
        "advantage/loss",
        "policy/loss",
        "policy/entropy_nats",
        "policy/data_loss_nats",
    )
    policy: SquashedGaussian

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: OptiDICELearnerConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(len(seeds), device)
        self.config, self.trains_policy = config, True
        self._target_entropy = float(-action_size) if config.target_entropy is None else config.target_entropy

        def network(name: str, inputs: int) -> StackedMLP:
            generators = [cpu_generator(seed, f"{name}/initialization") for seed in seeds]
            return StackedMLP((len(seeds),), (inputs, *config.hidden, 1), relu, generators, device)

        self.nu = network("nu", observation_size)
        self.advantage = network("advantage", observation_size + action_size)
        self.policy = SquashedGaussian(observation_size, action_size, config.policy, seeds, device)
        self.data_policy = SquashedMixture(
            observation_size, action_size, config.hidden, config.components, seeds, device
        )
        self.multipliers = FlatParameters((len(seeds),), {"nu": (1,), "advantage": (1,)}, device)
        self.log_entropy_weight = FlatParameters((len(seeds),), {"log_weight": (1,)}, device)
        rate = config.learning_rate
        self.nu_optimizer = StackedAdam(self.nu, learning_rate=rate)
        self.advantage_optimizer = StackedAdam(self.advantage, learning_rate=rate)
        self.policy_optimizer = StackedAdam(self.policy.network, learning_rate=rate)
        self.data_policy_optimizer = StackedAdam(self.data_policy.network, learning_rate=rate)
        self.multiplier_optimizer = StackedAdam(self.multipliers, learning_rate=rate)
        self.entropy_optimizer = StackedAdam(self.log_entropy_weight, learning_rate=rate)

    @property
    def discount(self) -> float:
        """gamma."""
        return self.config.discount

    def settings_of_length(self, epochs: int) -> Mapping[str, Any]:
        """How long the warm-up is."""
        return {"warm_up_epochs": self._warm_up_epochs(epochs)}

    def begin_epoch(self, done: int, epochs: int) -> None:
        """Whether the policy is trained in the epoch after `done` of `epochs`."""
        self.trains_policy = done >= self._warm_up_epochs(epochs)

    def _warm_up_epochs(self, epochs: int) -> int:
        """Rounded up, but however short the run is, its last epoch trains the policy, unless the share is one."""
        share = self.config.warm_up
        return epochs if share == 1.0 else min(math.ceil(share * epochs), epochs - 1)

    def update(self, batch: Batch, start_state: Tensor, noise: Tensor) -> None:
        """One update of everything.

        Args:
            batch: of the data, [K, B, ...].
            start_state: [K, B, D].
            noise: of the policy at the batch's states, standard normal, [K, B, A].
        """
        lambda_nu, lambda_phi = (view.detach() for view in self.multipliers.views.values())  # [K, 1]
        loss, residual, value = self.dual(batch, start_state)
        weight = conjugate_slope((residual.detach() - lambda_nu) / self.config.alpha)
        fit, weight_slope = self._advantage_loss(batch, residual.detach(), lambda_phi)
        heads = self.data_policy.heads(batch.state)
        if self.trains_policy:
            projection, entropy = self._projection(batch.state, noise, lambda_phi, heads)
            self.policy_optimizer.step(self.policy.network.gradient(projection.sum()))
            self.entropy_optimizer.step([(entropy - self._target_entropy)[:, None]])
        else:
            projection = entropy = torch.zeros_like(loss)
        self.nu_optimizer.step(self.nu.gradient(loss.sum()))
        self.advantage_optimizer.step(self.advantage.gradient(fit.sum()))
        cloning = -log_probability(heads, raw_action(batch.action)).mean(-1)
        self.data_policy_optimizer.step(self.data_policy.network.gradient(cloning.sum()))
        self.multiplier_optimizer.step([1.0 - weight.mean(-1, keepdim=True), 1.0 - weight_slope[:, None]])
        self.record(loss, value, weight, fit, projection, entropy, cloning)

    def dual(self, batch: Batch, start_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What nu and lambda minimize [K], e [K, B], and nu(s) [K, B]."""
        alpha, multiplier = self.config.alpha, self.multipliers.views["nu"].detach()
        rows = batch.state.shape[1]
        states = torch.cat((batch.state, batch.next_state, start_state), dim=1)  # one pass for all
        value, following, starting = torch.tensor_split(self.nu(states)[..., 0], (rows, 2 * rows), dim=1)
        residual = batch.reward + self.config.discount * ~batch.terminal * following - value
        cost = alpha * conjugate_value((residual - multiplier) / alpha).mean(-1) + multiplier[:, 0]
        return (1.0 - self.config.discount) * starting.mean(-1) + cost, residual, value

    def _advantage_loss(self, batch: Batch, residual: Tensor, multiplier: Tensor) -> tuple[Tensor, Tensor]:
        """What e_phi minimizes, and one minus the slope in lambda_phi of the Lagrangian at its weights, [K] each."""
        alpha = self.config.alpha
        predicted = self.advantage(torch.cat((batch.state, batch.action), dim=-1))[..., 0]
        slope = (predicted - multiplier) / alpha
        weight = conjugate_slope(slope)
        off = residual - predicted
        by_multiplier = (weight + off * weight.clamp(max=1.0) / alpha).detach().mean(-1)  # dw/dy is min(w, 1)
        if self.config.advantage_loss is AdvantageLoss.SQUARED:
            return off.square().mean(-1), by_multiplier
        return (alpha * generator_at(slope) - weight * (residual - multiplier)).mean(-1), by_multiplier

    def _projection(
        self, state: Tensor, noise: Tensor, multiplier: Tensor, data_heads: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """KL(pi || w_phi pi_D) less the weighted entropy, and the entropy, [K] each."""
        action, raw, own = self.policy.draw(state, noise)
        advantage = self.advantage(torch.cat((state, action), dim=-1))[..., 0]
        log_weight = log_conjugate_slope((advantage - multiplier) / self.config.alpha)
        mean, log_std, log_share = data_heads
        divergence = own - log_probability((mean.detach(), log_std.detach(), log_share.detach()), raw)
        entropy = -own.mean(-1)
        weight = self.log_entropy_weight.views["log_weight"].detach()[:, 0].exp()
        return (divergence - log_weight).mean(-1) - weight * entropy, entropy.detach()


def generator_at(slope: Tensor) -> Tensor:
    """f at x = f*'(y), of y; f(x) = (x - 1)^2 / 2 for x >= 1, x log x - x + 1 below: soft chi-squared.

    As x, which is exp(y) below one, vanishes in float32, f goes to one and its slope in y to zero, where that of
    x log x is infinite in x.  Source: section 3.2.
    """
    low, high = slope.clamp(max=0.0), slope.clamp(min=0.0)
    return low.exp() * (low - 1.0) + 1.0 + high.square() / 2.0


def conjugate_value(slope: Tensor) -> Tensor:
    """f*(y) = y + y^2/2 for y >= 0, exp(y) - 1 below."""
    high = slope.clamp(min=0.0)
    return slope.clamp(max=0.0).expm1() + high + high.square() / 2.0


def conjugate_slope(slope: Tensor) -> Tensor:
    """f*'(y) = 1 + y for y >= 0, exp(y) below."""
    return slope.clamp(max=0.0).exp() + slope.clamp(min=0.0)


def log_conjugate_slope(slope: Tensor) -> Tensor:
    """log f*'(y): log(1 + y) for y >= 0, y below."""
    return slope.clamp(max=0.0) + slope.clamp(min=0.0).log1p()
