"""The policy's regularizer: a discriminator that tells the policy's pairs from the data's, and its two losses.

Four objectives: AMPL's Jensen-Shannon one, and the ablations that weight its terms, make it linear, or both. They
differ in which pairs they compare and in how a logit becomes a loss, and say both here. Actions enter before the tanh.

Source: AMPL, Eqs. 14-16, and the released code where it differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ampl.errors import check_at_least, check_fraction
from continuous.networks.adam import StackedAdam, check_betas
from continuous.networks.stacks import HIDDEN, Gradient, StackedMLP, check_hidden, leaky_relu
from continuous.networks.streams import cpu_generator

_LARGEST_ACTION = 1.0 - 1e-7  # before the inverse tanh of the data's actions


class Objective(Enum):
    """How logits of true and fake pairs become losses."""

    JENSEN_SHANNON = "jensen-shannon"  # the paper's, a GAN
    LINEAR = "linear"  # code's "KL-dual": no sigmoid, and none of the dual's log-exp term


@dataclass(frozen=True, kw_only=True)
class RegularizerConfig:
    """Hyperparameters of the published runs, and where code and paper differ."""

    objective: Objective = Objective.JENSEN_SHANNON
    second_pair_only: bool = False  # code's "WPR": compare (s', a') alone, from the data's (s, a)
    weighted: bool = False  # code's "WPR": each term times w (1 - terminal)
    saturating: bool = False  # the paper's Eq. 15, log(1 - D); code: -log D
    smallest_true_label: float = 0.8  # code: true labels uniform from here to 1; 1 is the paper's Eq. 16
    discriminator_scale: float = 0.5  # code: factor on the discriminator's loss; 1 is the paper's Eq. 16
    learning_rate: float = 2e-4  # of Adam
    betas: tuple[float, float] = (0.4, 0.999)
    hidden: tuple[int, ...] = HIDDEN

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_at_least("learning_rate", self.learning_rate, 0.0)
        check_betas(self.betas)
        check_at_least("discriminator_scale", self.discriminator_scale, 0.0)
        check_fraction("smallest_true_label", self.smallest_true_label)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """State-action pairs to compare, R of each seed."""

    pair: Tensor  # (s, raw action), [K, R, D + A]
    weight: Tensor  # of each pair's term, >= 0, [K, R]
    present: Tensor  # bool, [K, R]; the others do not count, as if they were not there

    def mean(self, values: Tensor) -> Tensor:
        """Mean of weight * values over the pairs that are present, [K, R] to [K]."""
        return (values * self.weight * self.present).sum(-1) / self.present.sum(-1).clamp(min=1)


class Discriminator(nn.Module):
    """D(s, raw action) of K seeds, with its optimizer.

    Args:
        observation_size: D.
        action_size: A.
        config: hyperparameters.
        seeds: K of them; each draws its own initial parameters.
        device: where the parameters live.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: RegularizerConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.config = config
        widths = (observation_size + action_size, *config.hidden, 1)
        generators = [cpu_generator(seed, "discriminator/initialization") for seed in seeds]
        self.network = StackedMLP((len(seeds),), widths, leaky_relu, generators, device)
        self.optimizer = StackedAdam(self.network, learning_rate=config.learning_rate, betas=config.betas)

    def logits(self, pairs: Pairs) -> Tensor:
        """[K, R]; the sigmoid of them is the probability that a pair is the data's."""
        return self.network(pairs.pair)[..., 0]

    def generator_loss(self, fake_logits: Tensor, fake: Pairs) -> Tensor:
        """L_g, what the policy minimizes, [K].  Eq. 15; the released code's form does not saturate."""
        if self.config.objective is Objective.LINEAR:
            return -fake.mean(fake_logits)
        if self.config.saturating:
            return fake.mean(-softplus(fake_logits))  # log(1 - D)
        return fake.mean(softplus(-fake_logits))  # -log D

    def discriminator_loss(
        self, true_logits: Tensor, true: Pairs, fake_logits: Tensor, fake: Pairs, uniform: Tensor
    ) -> Tensor:
        """What the discriminator minimizes, [K].  Eq. 16.

        Args:
            true_logits: of the data's pairs, [K, R].
            true: these pairs.
            fake_logits: of the policy's pairs, [K, R].
            fake: these pairs.
            uniform: in [0, 1), [K, R], for the smoothing of the true labels.
        """
        if self.config.objective is Objective.LINEAR:
            return fake.mean(fake_logits) - true.mean(true_logits)
        smallest = self.config.smallest_true_label
        label = smallest + (1.0 - smallest) * uniform
        true_loss = softplus(true_logits) - label * true_logits  # -label log D - (1 - label) log(1 - D)
        return self.config.discriminator_scale * (true.mean(true_loss) + fake.mean(softplus(fake_logits)))

    def step(self, gradient: Gradient) -> None:
        """One step of the optimizer."""
        self.optimizer.step(gradient)


def raw_action(action: Tensor) -> Tensor:
    """The data's actions before the tanh, those at the bounds moved inside by 1e-7."""
    return action.clamp(-_LARGEST_ACTION, _LARGEST_ACTION).atanh()
