"""One update of deep AlgaeDICE for stacked seeds: soft actor-critic's networks on a dual objective.

    delta = r + gamma (Q'(s', a') - temperature log pi(a'|s')) - Q(s, a),   f* = |y|^1.5 / 1.5
    Q:   min  E[f*(delta)] + alpha (1 - gamma) E[Q(s0, pi)]                                         section 3
    pi:  max  E[f*'(delta) delta] + alpha (1 - gamma) E[Q(s0, pi)], f*' held fixed and not below zero

Q' is a twentieth of the twin itself and the rest the smaller target twin, so that a share of the gradient goes through
the target. As f* is a power, the code's alpha is not that of the paper's alpha f*(delta / alpha), but for the exponent
1.5 its square root.

Source: Nachum et al. 2019 and its code. The exact counterpart is `tabular.dice.regularized_return`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError, check_at_least, check_fraction, check_positive
from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.networks.stacks import FlatParameters
from continuous.replay.buffers import Batch

SETTINGS = SoftActorCriticConfig(
    critic_learning_rate=1e-3,
    policy_learning_rate=1e-3,
    temperature_learning_rate=1e-3,
    target_entropy=None,
    policy=SquashedGaussianConfig(lowest_log_std=-5.0),
)
"""The published code's."""


UPDATES = 2
"""Of the critics for each of the policy, of the temperature and of the targets."""


@dataclass(frozen=True, kw_only=True)
class AlgaeDICELearnerConfig:
    """Hyperparameters of one update, those of the published code, with which D4RL's benchmark was run."""

    alpha: float = 0.01  # coefficient of the divergence from the data; for exponent 1.5, the paper's is its square
    exponent: float = 1.5  # of f*, above 1
    online_share: float = 0.05  # of Q' that is the twin itself
    orthogonality: float = 1e-4  # weight of the squared products of different columns of the policy's layers
    bootstraps: bool = True  # false: only at ends, as D4RL's benchmark had it
    learner: SoftActorCriticConfig = SETTINGS

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_positive("alpha", self.alpha, "Without it nothing holds the policy near the data.")
        if not self.exponent > 1.0:
            raise InvalidArgumentError(f"exponent is {self.exponent!r}; expected more than 1: f* is strictly convex.")
        check_fraction("online_share", self.online_share)
        check_at_least("orthogonality", self.orthogonality, 0.0, "0 switches it off.")


@dataclass(frozen=True, kw_only=True)
class AlgaeDICEDraws:
    """Everything random in an update, [K, ...]."""

    batch: Batch
    start_state: Tensor  # [K, B, D]
    next_noise: Tensor  # of the policy at next states, standard normal, [K, B, A]
    start_noise: Tensor  # at the start states


class AlgaeDICELearner(SoftActorCritic):
    """Critics and policy of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        algae: hyperparameters.
        seeds: K of them.
        device: where everything lives.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        algae: AlgaeDICELearnerConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(observation_size, action_size, algae.learner, seeds, device)
        self.algae = algae

    def update_all(self, first: AlgaeDICEDraws, second: AlgaeDICEDraws) -> None:
        """Two steps of the critics, each on draws of its own, then one of the policy on the second."""
        critic_loss = (self.update_critics(first) + self.update_critics(second)) / 2.0
        value, loss, entropy = self._update_actor(second)
        self._update_temperature(entropy)
        self.critic_target.follow(self.critic_online, self.config.target_rate)
        for _ in range(UPDATES):  # metrics are divided by the number of updates
            self.record(critic_loss, value, loss, entropy, self.temperature[:, 0])

    def update_critics(self, draws: AlgaeDICEDraws) -> Tensor:
        """One step of both twins; their mean loss, [K]."""
        _, delta, starting = self._parts(draws)
        cost = delta.abs().pow(self.algae.exponent).mean(-1) / self.algae.exponent
        loss = cost + self._start_weight * starting.mean(-1)  # [K, 2]
        self.critic_optimizer.step(self.critic_online.gradient(loss.sum()))
        return loss.detach().mean(-1)

    def _update_actor(self, draws: AlgaeDICEDraws) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the policy; the value at the data [K, B], its loss [K] and entropy [K]."""
        log_probability, delta, starting = self._parts(draws, of_policy=True)
        slope = delta.detach().clamp(min=0.0).pow(self.algae.exponent - 1.0)
        gain = (slope * delta).mean(-1) + self._start_weight * starting.mean(-1)
        loss = self.algae.orthogonality * overlap(self.policy.network) - gain.mean(-1)
        self.policy_optimizer.step(self.policy.network.gradient(loss.sum()))
        value = self.action_value(draws.batch.state, draws.batch.action).mean(1)
        return value.detach(), loss.detach(), -log_probability.detach().mean(-1)

    def _parts(self, draws: AlgaeDICEDraws, *, of_policy: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """log pi(a'|s') [K, B], delta and Q(s0, pi) of each twin, [K, 2, B]; with a gradient in the policy if asked."""
        batch, rows = draws.batch, draws.batch.state.shape[1]
        following = torch.cat((batch.next_state, draws.start_state), dim=1)
        with torch.set_grad_enabled(of_policy):
            action, log_probability = self.policy.sample_with_log_probability(
                following, torch.cat((draws.next_noise, draws.start_noise), dim=1)
            )
            log_probability = log_probability[:, :rows]
            target = self.smaller_target(batch.next_state, action[:, :rows])[:, None]
        states, actions = torch.cat((batch.state, following), dim=1), torch.cat((batch.action, action), dim=1)
        value, next_value, starting = torch.tensor_split(self.action_value(states, actions), (rows, 2 * rows), dim=-1)
        share = self.algae.online_share
        mixed = share * next_value + (1.0 - share) * target - (self.temperature * log_probability)[:, None]
        goes_on = ~batch.terminal if self.algae.bootstraps else batch.terminal
        delta = batch.reward[:, None] + self.config.discount * goes_on[:, None] * mixed - value
        return log_probability, delta, starting

    @property
    def _start_weight(self) -> float:
        return self.algae.alpha * (1.0 - self.config.discount)


def overlap(network: FlatParameters) -> Tensor:
    """Sum over layers of the squared scalar products of different columns of the weights, [K]."""
    total = torch.zeros(network.stack[0], device=network.values.device)
    for weight in (view for name, view in network.views.items() if name.startswith("weight")):
        product = weight.mT @ weight
        total = total + product.square().sum((-1, -2)) - product.diagonal(dim1=-2, dim2=-1).square().sum(-1)
    return total
