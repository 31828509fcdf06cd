"""Adam over stacked parameters: every seed has its own moments and step count.

Two ways to make a step, which agree to rounding. On a CPU it is the kernel behind `torch.optim.Adam(fused=True)` when
called directly: around it, the optimizer class spends as long again on small networks, and it wants one step count for
all seeds. On a GPU that kernel leaves most of the device idle where networks are small, as a block of threads takes
65,536 numbers; there `flat_step`, one pass over the vector of all seeds, is compiled into a kernel or two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ampl.errors import InvalidArgumentError
from continuous.networks.stacks import FlatParameters, Gradient

logger = logging.getLogger(__name__)

_EPSILON = 1e-8


class StackedAdam(nn.Module):
    """Adam on the parameters of K seeds; its state is the moments and step counts, not the parameters.

    Args:
        parameters: their stack's first axis is the seeds, K.
        learning_rate: step size, until `set_learning_rate` changes it.
        betas: decay of the two moments.
        weight_decay: coupled L2 penalty of parameters by name; 0 for those not named.
        flat: whether steps are `flat_step`'s or the fused kernel's; None: flat unless on a CPU.

    Attributes:
        first_moment, second_moment: moving means of the derivatives and of their squares.
        count: steps of each seed, [K].

    Raises:
        InvalidArgumentError: a decay outside [0, 1).
    """

    count: Tensor

    def __init__(
        self,
        parameters: FlatParameters,
        *,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: Mapping[str, float] | None = None,
        flat: bool | None = None,
    ) -> None:
        check_betas(betas)
        super().__init__()
        device = parameters.values.device
        self._learning_rate = torch.tensor(learning_rate, device=device)  # [], read by recorded steps
        self._values, self._betas = parameters.values, betas
        self.first_moment = FlatParameters(parameters.stack, parameters.shapes, device)
        self.second_moment = FlatParameters(parameters.stack, parameters.shapes, device)
        self.register_buffer("count", torch.zeros(parameters.stack[0], device=device))
        decays = dict.fromkeys(parameters.views, 0.0) | dict(weight_decay or {})
        self._flat = device.type != "cpu" if flat is None else flat
        if self._flat:
            self._owners = owners(parameters)
            self._decays = torch.cat([torch.full_like(v, decays[n]).flatten() for n, v in parameters.views.items()])
            self._flat_betas = torch.tensor(betas, dtype=torch.float64, device=device)
        names = list(parameters.views)
        self._groups = {
            decay: [index for index, name in enumerate(names) if decays[name] == decay]
            for decay in dict.fromkeys(decays[name] for name in names)
        }
        stores = (parameters, self.first_moment, self.second_moment)
        self._parts = [
            [[view.detach()[seed] for view in store.views.values()] for store in stores]
            for seed in range(parameters.stack[0])
        ]  # [K][values and moments][names]

    def set_learning_rate(self, value: float) -> None:
        """Changes the step size from the next step on; not part of the state, as schedules know it from the epoch."""
        self._learning_rate.fill_(value)

    @torch.no_grad()
    def step(self, gradient: Gradient) -> None:
        """One step of all seeds."""
        self.count.add_(1.0)
        if not (self._flat and self._step_flat(gradient)):
            self._step_fused(gradient)

    def _step_flat(self, gradient: Gradient) -> bool:
        """Whether the step could be made."""
        slopes = torch.cat([slope.flatten() for slope in gradient])
        step = compiled_step if slopes.device.type == "cuda" else _plain_step
        moments = self.first_moment.values, self.second_moment.values
        sizes = self._learning_rate, self._flat_betas
        return step(self._values, slopes, *moments, self.count, self._owners, self._decays, *sizes)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # the kernel cannot be traced
    def _step_fused(self, gradient: Gradient) -> None:
        counts = self.count.unbind()
        for decay, names in self._groups.items():
            places = [(seed, name) for seed in range(len(self._parts)) for name in names]
            values, first, second = ([self._parts[seed][what][name] for seed, name in places] for what in range(3))
            torch._fused_adam_(
                values,
                [gradient[name][seed] for seed, name in places],
                first,
                second,
                [],
                [counts[seed] for seed, _ in places],
                lr=self._learning_rate,
                beta1=self._betas[0],
                beta2=self._betas[1],
                weight_decay=decay,
                eps=_EPSILON,
                amsgrad=False,
                maximize=False,
            )


def check_betas(betas: tuple[float, float]) -> None:
    """Raises InvalidArgumentError unless both are in [0, 1)."""
    if not all(0.0 <= beta < 1.0 for beta in betas):
        raise InvalidArgumentError(f"betas is {betas}; expected two numbers in [0, 1).")


def flat_step(
    values: Tensor,
    slopes: Tensor,
    first: Tensor,
    second: Tensor,
    counts: Tensor,
    owner: Tensor,
    decays: Tensor,
    learning_rate: Tensor,
    betas: Tensor,
) -> None:
    """One step of Adam in place, a function of tensors only.

    Args:
        values: parameters of all seeds, [N].
        slopes: derivatives by them, [N].
        first: moving means of the derivatives, [N].
        second: of their squares, [N].
        counts: steps of each seed, this one included, [K].
        owner: which seed each entry belongs to, [N].
        decays: coupled L2 penalty of each entry, [N].
        learning_rate: step size, [].
        betas: decay of the two moments, float64, [2].
    """
    corrections = 1.0 - betas[:, None] ** counts.double()  # [2, K]
    size = (learning_rate / corrections[0]).float()[owner]
    scale = corrections[1].rsqrt().float()[owner]
    kept, fresh = betas.float(), (1.0 - betas).float()
    slopes = slopes + decays * values
    first.add_(fresh[0] * (slopes - first))
    second.mul_(kept[1]).add_(fresh[1] * slopes * slopes)
    values.sub_(size * first / (second.sqrt() * scale + _EPSILON))


def owners(parameters: FlatParameters) -> Tensor:
    """Which seed each entry of `values` belongs to, int32, [N]."""
    seeds = torch.arange(parameters.stack[0], dtype=torch.int32, device=parameters.values.device)
    return torch.cat(
        [seeds.view(-1, *[1] * (view.dim() - 1)).expand(view.shape).flatten() for view in parameters.views.values()]
    )


def _plain_step(*tensors: Tensor) -> bool:
    flat_step(*tensors)
    return True


class CompiledStep:
    """`flat_step` compiled on its first call; where that fails, a warning says so once, and nothing is done.

    Args:
        compile: as `torch.compile`.
    """

    def __init__(self, compile: Callable[..., Callable[..., None]] = torch.compile) -> None:
        self._compile = compile
        self._step: Callable[..., None] | None = None
        self._works = True

    def __call__(self, *tensors: Tensor) -> bool:
        """Whether the step was made."""
        if self._works:
            try:
                self._step = self._step or self._compile(flat_step, dynamic=True)
                self._step(*tensors)
            except Exception as error:  # of the compiler, or of the tools that it needs and does not find
                self._works = False
                reason = str(error).strip().partition("\n")[0]
                logger.warning("Adam cannot be compiled here, its fused kernel is used, which is slower: %s", reason)
        return self._works


compiled_step = CompiledStep()


def clip_norm(gradient: Gradient, max_norm: float) -> Gradient:
    """The gradient, each seed's scaled down where its own norm over all parameters exceeds `max_norm`."""
    squares = torch.stack([slope.flatten(1).square().sum(1) for slope in gradient])  # [names, K]
    scale = (max_norm / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)  # [K]
    return [slope * scale.view(-1, *[1] * (slope.dim() - 1)) for slope in gradient]
