"""A density of actions for stacked seeds: a mixture of Gaussians squashed by tanh, which a policy of the data needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from continuous.algorithms.sac.policy import log_density
from continuous.networks.stacks import StackedMLP, relu
from continuous.networks.streams import cpu_generator

_LOG_STD = (-5.0, 2.0)  # lowest and highest


class SquashedMixture(nn.Module):
    """p(a|s) = sum_m share_m(s) N(atanh a; mean_m(s), std_m(s)) da^-1.

    Args:
        observation_size: D.
        action_size: A.
        hidden: layers that all components share.
        components: M.
        seeds: K of them.
        device: where the parameters live.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden: Sequence[int],
        components: int,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self._sizes = [components * action_size, components * action_size, components]
        self._component = (components, action_size)
        generators = [cpu_generator(seed, "data policy/initialization") for seed in seeds]
        self.network = StackedMLP(
            (len(seeds),), (observation_size, *hidden, sum(self._sizes)), relu, generators, device
        )

    def heads(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means and log standard deviations [K, B, M, A], and log shares [K, B, M], at states [K, B, D]."""
        mean, log_std, logit = torch.split(self.network(state), self._sizes, dim=-1)
        mean, log_std = (part.reshape(*part.shape[:-1], *self._component) for part in (mean, log_std))
        return mean, log_std.clamp(*_LOG_STD), logit.log_softmax(-1)


def log_probability(heads: tuple[Tensor, Tensor, Tensor], raw: Tensor) -> Tensor:
    """Of actions tanh(raw), [K, B, A], under a mixture's `heads`, nats, [K, B]."""
    mean, log_std, log_share = heads
    raw = raw[..., None, :]
    return torch.logsumexp(log_share + log_density(raw, (raw - mean) * (-log_std).exp(), log_std), dim=-1)
