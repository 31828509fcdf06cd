"""DAMO's classifier of real against model transitions, and the data alignment term that it gives.

    h(s, a, s') = probability that a transition is from the data, trained on both half and half        (Eq. 3)
    R = log((1 - h) / h) = log(rho_M / rho_D) at the optimum, clipped                                   (Eq. 4)

Source: DAMO, section 5.2. The network, its learning rate and the clip are reconstructed: the paper does not give them;
tanh layers of 256 units and Adam at 3e-4 are those of its parent method, OMPO, whose gradient penalty is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ampl.errors import check_at_least
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import StackedMLP, check_hidden
from continuous.networks.streams import cpu_generator
from continuous.replay.buffers import Batch


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Reconstructed settings."""

    hidden: tuple[int, ...] = (256, 256)
    learning_rate: float = 3e-4
    gradient_penalty: float = 0.0  # OMPO: 10; weight of (|gradient of the logit| - 1)^2 between real and model rows
    log_ratio_clip: float = 5.0  # nats, on |R|; an unclipped ratio can void the bound where the classifier is wrong

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_at_least("learning_rate", self.learning_rate, 0.0)
        check_at_least("gradient_penalty", self.gradient_penalty, 0.0, "0 switches it off.")
        check_at_least("log_ratio_clip", self.log_ratio_clip, 0.0, "0 switches the term off.")


class TransitionClassifier(nn.Module):
    """h of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        config: settings.
        seeds: K of them.
        device: where the parameters live.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: ClassifierConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        widths = (2 * observation_size + action_size, *config.hidden, 1)
        generators = [cpu_generator(seed, "classifier/initialization") for seed in seeds]
        self.config = config
        self.network = StackedMLP((len(seeds),), widths, torch.tanh_, generators, device)
        self.optimizer = StackedAdam(self.network, learning_rate=config.learning_rate)

    def logit(self, batch: Batch) -> Tensor:
        """log(h / (1 - h)), [K, B]."""
        return self.network(_inputs(batch))[..., 0]

    @torch.no_grad()
    def log_ratio(self, batch: Batch) -> Tensor:
        """R = -logit, clipped, nats, [K, B]: positive where the transition is typical of the model.  Eq. 4."""
        return (-self.logit(batch)).clamp(-self.config.log_ratio_clip, self.config.log_ratio_clip)

    def update(self, real: Batch, imagined: Batch, mixing: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """One step down the cross entropy.  Eq. 3.

        Args:
            real: transitions of the data, [K, B, ...].
            imagined: of the model, [K, C, ...].
            mixing: for the gradient penalty, in [0, 1], [K, B], with B = C; None without one.

        Returns:
            Each seed's loss, nats, [K], and the logits of both sides before the step, [K, B] and [K, C].
        """
        logits = self.network(torch.cat((_inputs(real), _inputs(imagined)), dim=1))[..., 0]  # one pass for both
        of_real, of_imagined = torch.split(logits, [real.reward.shape[1], imagined.reward.shape[1]], dim=-1)
        loss = softplus(-of_real).mean(-1) + softplus(of_imagined).mean(-1)
        penalty = 0.0 if mixing is None else self.config.gradient_penalty * self.slope_excess(real, imagined, mixing)
        self.optimizer.step(self.network.gradient((loss + penalty).sum()))
        return loss.detach(), of_real.detach(), of_imagined.detach()

    def slope_excess(self, real: Batch, imagined: Batch, mixing: Tensor) -> Tensor:
        """Mean of (|gradient of the logit by (s, a, s')| - 1)^2 at points between real and model rows, [K].

        Source: the gradient penalty of OMPO's discriminator.
        """
        between = torch.lerp(_inputs(imagined), _inputs(real), mixing[..., None]).requires_grad_()
        (slope,) = torch.autograd.grad(self.network(between).sum(), between, create_graph=True)
        return (slope.norm(dim=-1) - 1.0).square().mean(-1)


def _inputs(batch: Batch) -> Tensor:
    """(s, a, s'), [K, B, 2 D + A]."""
    return torch.cat((batch.state, batch.action, batch.next_state), dim=-1)
