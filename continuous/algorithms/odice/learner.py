"""One update of O-DICE for stacked seeds: V by an orthogonal gradient, the policy by weighted cloning.

    delta = r + gamma V(s') - V(s),   f* of chi-squared,   V' slow copies
    forward gradient   g  of lambda E[f*(delta)] by V(s), with V' at s'
    backward gradient  g' of eta lambda E[f*(delta)] by V(s'), with V' at s
    V:   step down  grad (1 - lambda) E[V(s)] + g + g' - (<g', g> / <g, g>) g                 Eqs. 9-10
    pi:  max  E[w log pi(a|s)],   w = max(delta, 0), at most 100                              Eq. 11, the code's w

The true gradient of DICE's dual is g + g'; where the two disagree, g' undoes what g learns. Only the part of g' that is
orthogonal to g is kept. The code's w is not the slope of f*, max(1 + delta / 2, 0), which clones actions of negative
delta, too.  Source: Mao et al., "ODICE: Revealing the Mystery of Distribution Correction Estimation via
Orthogonal-gradient Update" (ICLR 2024), and its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from ampl.errors import check_at_least, check_fraction
from continuous.algorithms.bc.policy import PolicyAdam, TanhPolicy, TanhPolicyConfig
from continuous.algorithms.learner import Learner
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import Gradient, StackedMLP, check_hidden, frozen, relu
from continuous.networks.streams import cpu_generator
from continuous.replay.buffers import Batch

_LARGEST_WEIGHT = 100.0


class ValueGradient(StrEnum):
    """What V is trained by."""

    ORTHOGONAL = "orthogonal"
    TRUE = "true"  # of E[f*(delta)] as it stands, by both V(s) and V(s'), without slow copies
    SEMI = "semi"  # the forward one alone


@dataclass(frozen=True, kw_only=True)
class ODICELearnerConfig:
    """Hyperparameters of one update, those of the published code."""

    dual_weight: float = 0.6  # lambda, by dataset: 1 - lambda weighs V, lambda the residuals' cost
    backward_weight: float = 1.0  # eta, by dataset
    gradient: ValueGradient = ValueGradient.ORTHOGONAL
    discount: float = 0.99  # gamma
    target_rate: float = 0.005  # how far the slow copies follow in one update
    value_learning_rate: float = 2e-4
    policy_learning_rate: float = 2e-4
    policy_weight_decay: float = 1e-4
    hidden: tuple[int, ...] = (256, 256)  # of V
    normalizes_layers: bool = True  # of V, before each activation
    policy: TanhPolicyConfig = field(
        default_factory=lambda: TanhPolicyConfig(hidden=(1024, 1024), standardized=False, gaussian=True)
    )

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        for name in ("dual_weight", "discount", "target_rate"):
            check_fraction(name, getattr(self, name))
        check_at_least("backward_weight", self.backward_weight, 0.0, "0 leaves the forward gradient alone.")
        for name in ("value_learning_rate", "policy_learning_rate", "policy_weight_decay"):
            check_at_least(name, getattr(self, name), 0.0)
        self.policy.check_gaussian("O-DICE")


class ODICELearner(Learner):
    """Twin values and policy of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        config: hyperparameters.
        seeds: K of them.
        device: where everything lives.

    Attributes:
        value_online, value_target: V and V', [K, 2] networks of s.
    """

    metrics = ("critic/loss", "critic/value_mean", "critic/weight_mean", "critic/gradient_cosine", "policy/loss")
    policy: TanhPolicy

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: ODICELearnerConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(len(seeds), device)
        self.config = config
        generators = [cpu_generator(seed, f"critic/initialization/{twin}") for seed in seeds for twin in range(2)]
        activation = normalized_relu if config.normalizes_layers else relu
        widths = (observation_size, *config.hidden, 1)
        self.value_online = StackedMLP((len(seeds), 2), widths, activation, generators, device)
        self.value_target = frozen(self.value_online)
        self.policy = TanhPolicy(observation_size, action_size, config.policy, seeds, device)
        self.value_optimizer = StackedAdam(self.value_online, learning_rate=config.value_learning_rate)
        self.policy_optimizer = PolicyAdam(self.policy, config.policy_learning_rate, config.policy_weight_decay)

    @property
    def discount(self) -> float:
        """gamma."""
        return self.config.discount

    def update(self, batch: Batch) -> None:
        """One update of everything."""
        loss, value, delta, cosine = self._update_value(batch)
        weight = delta.clamp(min=0.0, max=_LARGEST_WEIGHT).mean(1)  # over both twins
        cloning = -(weight * self.policy.log_probability(self.policy.inputs(batch.state), batch.action)).mean(-1)
        self.policy_optimizer.step(cloning.sum())
        self.record(loss, value.mean(1), weight, cosine, cloning)

    def _update_value(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step of V; its loss [K], V(s) and delta [K, 2, B], and the cosine between both gradients [K]."""
        config, network = self.config, self.value_online
        value, following = self._values(network, batch)
        slow, slow_following = (part.amin(1, keepdim=True) for part in self._values(self.value_target, batch))
        if config.gradient is ValueGradient.TRUE:
            slow, slow_following = value, following
        delta = self._delta(batch, slow_following, value)
        cost = config.dual_weight * conjugate_value(delta).mean((1, 2))
        level = (1.0 - config.dual_weight) * value.mean((1, 2))
        if config.gradient is ValueGradient.ORTHOGONAL:
            backward_cost = conjugate_value(self._delta(batch, following, slow)).mean((1, 2))
            forward = network.gradient(cost.sum(), retain_graph=True)
            backward = network.gradient(
                (config.backward_weight * config.dual_weight * backward_cost).sum(), retain_graph=True
            )
            projected, cosine = add_orthogonal(forward, backward)
            step = [one + other for one, other in zip(network.gradient(level.sum()), projected, strict=True)]
        else:
            step, cosine = network.gradient((level + cost).sum()), torch.zeros_like(cost)
        self.value_optimizer.step(step)
        self.value_target.follow(network, config.target_rate)
        return level + cost, value.detach(), delta.detach(), cosine

    def _values(self, network: StackedMLP, batch: Batch) -> tuple[Tensor, Tensor]:
        """V(s) and V(s') of the twins, [K, 2, B] each, apart, as each gradient is of one of them alone."""
        return network(batch.state[:, None])[..., 0], network(batch.next_state[:, None])[..., 0]

    def _delta(self, batch: Batch, following: Tensor, value: Tensor) -> Tensor:
        """r + gamma V(s') - V(s), no bootstrap at an end."""
        return batch.reward[:, None] + self.config.discount * ~batch.terminal[:, None] * following - value


def add_orthogonal(forward: Gradient, backward: Gradient) -> tuple[Gradient, Tensor]:
    """g + g' - (<g', g> / <g, g>) g of each seed, and the cosine between g and g', [K]."""
    size, other_size, product = (
        torch.stack([(one * other).flatten(1).sum(1) for one, other in zip(*pair, strict=True)]).sum(0)
        for pair in ((forward, forward), (backward, backward), (forward, backward))
    )
    share = 1.0 - product / size.clamp(min=1e-10)
    together = [
        share.view(-1, *[1] * (one.dim() - 1)) * one + other for one, other in zip(forward, backward, strict=True)
    ]
    return together, product / (size * other_size).sqrt().clamp(min=1e-10)


def conjugate_value(slope: Tensor) -> Tensor:
    """f*(y) = y + y^2/4, or -1 for y < -2, where x = 0 is best: that of f = (x - 1)^2 on x >= 0."""
    cut = slope.clamp(min=-2.0)
    return cut + cut.square() / 4.0


def normalized_relu(inputs: Tensor) -> Tensor:
    """max(x, 0) of each row at mean zero and variance one."""
    return relu(layer_norm(inputs, inputs.shape[-1:]))
