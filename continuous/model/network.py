"""The network of AMPL's dynamics model: an ensemble of Gaussians over the reward and the change of the state.

Each member maps standardized (s, a) to mean and log standard deviation of standardized (r, s' - s). Everything is
stacked over seeds and members. Source: AMPL, section 3.1, and the released code for sizes and constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from ampl.errors import InvalidArgumentError, check_at_least, check_fraction
from continuous.model.standardization import Standardization as Standardization
from continuous.networks.adam import StackedAdam
from continuous.networks.seed_state import load_seed_state, seed_state
from continuous.networks.stacks import FlatParameters, StackedMLP


class HoldoutCriterion(StrEnum):
    """By what members are judged on the transitions held out."""

    LOSS = "loss"  # what training minimizes, as in AMPL's code
    SQUARED_ERROR = "squared-error"  # of the means, as in MOPO's code and OfflineRL-Kit


@dataclass(frozen=True, kw_only=True)
class DynamicsConfig:
    """The ensemble and how it is fitted; the defaults are those of AMPL's published runs."""

    members: int = 7  # E >= 1
    elites: int = 5  # members that predict, of lowest hold-out loss, in [1, members]
    hidden: int = 200  # units of a layer
    layers: int = 4  # hidden ones, >= 1
    learning_rate: float = 1e-3  # of Adam
    batch_size: int = 128  # of each member, >= 1
    holdout_share: float = 0.2  # share of the transitions that only judge the fit
    holdout_limit: int = 8092  # their greatest number; so in the released code, whose comment says 8192
    fixed_bootstrap: bool = False  # members walk through a resample of their own, as in MOPO's code, not fresh draws
    steps_per_look: int | None = 1000  # between two looks at the hold-out loss, >= 1; None: one pass over the data
    holdout_criterion: HoldoutCriterion = HoldoutCriterion.LOSS
    patience: int = 10  # looks in a row without any member improving, until a fit ends
    improvement: float = 0.01  # least relative improvement of a member's hold-out loss that counts
    max_steps: int = 10_000_000  # of one fit, >= 1
    weight_decay: tuple[float, ...] = (2.5e-5, 5e-5, 7.5e-5, 7.5e-5)  # of each hidden layer, weights and biases
    head_weight_decay: float = 1e-4  # of the layer that gives mean and log standard deviation
    bounds_weight: float = 0.01  # of the penalty that draws the bounds on log standard deviations together
    upper_log_std: float = 0.25  # where these bounds start; they are trained
    lower_log_std: float = -5.0
    standardizes_targets: bool = True  # MOPO's code predicts (r, s' - s) in their own units

    def limited(self, steps: int | None) -> DynamicsConfig:
        """The same with fits of at most so many updates; None: no other limit."""
        return self if steps is None else replace(self, max_steps=min(self.max_steps, steps))

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("members", "elites", "hidden", "layers", "batch_size", "holdout_limit"):
            check_at_least(name, getattr(self, name), 1)
        for name in ("patience", "max_steps"):
            check_at_least(name, getattr(self, name), 1)
        if self.steps_per_look is not None:
            check_at_least("steps_per_look", self.steps_per_look, 1, "None is one pass over the data.")
        for name in ("learning_rate", "improvement", "head_weight_decay", "bounds_weight"):
            check_at_least(name, getattr(self, name), 0.0)
        check_fraction("holdout_share", self.holdout_share)
        check_at_least("members", self.members, self.elites, "Elites are chosen among the members.")
        check_at_least("upper_log_std", self.upper_log_std, self.lower_log_std, "It is above lower_log_std.")
        if len(self.weight_decay) != self.layers or min(self.weight_decay) < 0.0:
            raise InvalidArgumentError(
                f"weight_decay is {self.weight_decay}; expected one number >= 0 for each of {self.layers} layers."
            )


class DynamicsNetwork(nn.Module):
    """E Gaussian members for each of K seeds, with their optimizers.

    Args:
        observation_size: D.
        action_size: A.
        config: sizes and constants.
        generators: on the CPU, one for each member of each seed, in row-major order.
        device: where the parameters live.

    Attributes:
        members: the networks, [K, E] of them, from x to mean and log standard deviation of y before the soft bounds.
        bounds: on log standard deviations, shared by the members of a seed; "lower" and "upper", [K, D + 1].
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: DynamicsConfig,
        generators: Sequence[torch.Generator],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.config = config
        self.observation_size, self.action_size = observation_size, action_size
        targets = observation_size + 1
        n_seeds = len(generators) // config.members
        widths = (observation_size + action_size, *[config.hidden] * config.layers, 2 * targets)
        self.members = StackedMLP((n_seeds, config.members), widths, silu, generators, device, truncated_normal)
        self.bounds = FlatParameters((n_seeds,), {"lower": (targets,), "upper": (targets,)}, device)
        self.bounds.views["lower"].detach().fill_(config.lower_log_std)
        self.bounds.views["upper"].detach().fill_(config.upper_log_std)
        self.optimizer = StackedAdam(
            self.members, learning_rate=config.learning_rate, weight_decay=_weight_decay(config)
        )
        self.bounds_optimizer = StackedAdam(self.bounds, learning_rate=config.learning_rate)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.bounds.values.device

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of standardized y, [K, E, B, D + 1], at standardized x.

        Args:
            inputs: [K, E, B, D + A], or [K, 1, B, D + A] for all members.
        """
        mean, log_std = self.members(inputs).chunk(2, dim=-1)
        return mean, self.bound(log_std)

    def bound(self, log_std: Tensor) -> Tensor:
        """Log standard deviations [K, E, B, D + 1], softly clamped: first below the upper bound, then above the lower.

        The second clamp can lift a value above the upper bound by log(1 + exp(lower - upper)) at most.
        """
        return soft_clamp(log_std, self.bounds.views["lower"][:, None, None], self.bounds.views["upper"][:, None, None])

    def bounds_penalty(self) -> Tensor:
        """What each seed pays for wide bounds, [K]: the weight times twice the sum of upper minus lower."""
        width = self.bounds.views["upper"] - self.bounds.views["lower"]
        return self.config.bounds_weight * 2.0 * width.sum(-1)

    def update(self, loss: Tensor) -> None:
        """One step of Adam down the gradient of a scalar: the sum of all seeds' losses."""
        views, bounds = list(self.members.views.values()), list(self.bounds.views.values())
        gradients = torch.autograd.grad(loss, views + bounds)
        self.optimizer.step(list(gradients[: len(views)]))
        self.bounds_optimizer.step(list(gradients[len(views) :]))

    def restart_optimizers(self) -> None:
        """Forgets all moments and steps, for training on something else."""
        for tensor in (*self.optimizer.buffers(), *self.bounds_optimizer.buffers()):
            tensor.detach().zero_()

    def select(self, seeds: Sequence[int]) -> DynamicsNetwork:
        """An independent copy of some seeds, optimizers included."""
        generators = [torch.Generator()] * (len(seeds) * self.config.members)
        copy = DynamicsNetwork(self.observation_size, self.action_size, self.config, generators, self.device)
        for index, seed in enumerate(seeds):
            load_seed_state(copy.state_dict(), index, seed_state(self.state_dict(), seed))
        return copy


def soft_clamp(values: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Values drawn below `upper`, then above `lower`, with a slope everywhere."""
    values = upper - softplus(upper - values)
    return lower + softplus(values - lower)


def truncated_normal(fan_in: int, fan_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weights N(0, 1) wrapped at two (so the released code approximates a truncated normal), over 2 sqrt(fan_in)."""
    weight = torch.randn(fan_in, fan_out, generator=generator).fmod_(2.0).div_(2.0 * fan_in**0.5)
    return weight, torch.zeros(1, fan_out)


def _weight_decay(config: DynamicsConfig) -> dict[str, float]:
    """The penalty of each parameter: by layer, weights and biases alike."""
    decays = (*config.weight_decay, config.head_weight_decay)
    return {f"{kind}{layer}": decay for layer, decay in enumerate(decays) for kind in ("weight", "bias")}
