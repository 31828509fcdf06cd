"""A policy that is tanh of a network, with learned normal noise around it where it is a Gaussian; for stacked seeds.

Behavior cloning, TD3+BC (deterministic; Fujimoto and Gu, 2021) and IQL (a Gaussian whose spread is the same at every
state; Kostrikov et al., 2021) train it. Observations may be standardized before the network; whoever asks the policy
gives them in the task's units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.interfaces import State
from continuous.algorithms.config import recorded_fields
from continuous.networks.acting import TanhAction
from continuous.networks.adam import StackedAdam
from continuous.networks.seed_state import load_seed_state, without_prefix
from continuous.networks.stacks import FlatParameters, StackedMLP, check_hidden, relu
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import TransitionTable

_LOG_2_PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, kw_only=True)
class TanhPolicyConfig:
    """The network and its inputs."""

    hidden: tuple[int, ...] = (256, 256)
    standardized: bool = True  # observations, by mean and standard deviation over the data
    smallest_std: float = 1e-3  # added to the standard deviations; TD3+BC's code
    gaussian: bool = False  # false: deterministic
    lowest_log_std: float = -5.0  # IQL's code
    highest_log_std: float = 2.0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_hidden(self.hidden)
        check_at_least("smallest_std", self.smallest_std, 1e-12)
        check_at_least("highest_log_std", self.highest_log_std, self.lowest_log_std, "It is above lowest_log_std.")

    def check_gaussian(self, algorithm: str) -> None:
        """Raises InvalidArgumentError unless it is a Gaussian at observations as they are."""
        if not self.gaussian or self.standardized:
            raise InvalidArgumentError(
                f"policy.gaussian and policy.standardized are other than {algorithm}'s; expected true and false."
            )


class StateScaling(nn.Module):
    """(s - shift) / scale, the same for K seeds; nothing is changed before `fit`.

    Args:
        observation_size: D.
        n_seeds: K.
        device: where the numbers live.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, observation_size: int, n_seeds: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(n_seeds, 1, observation_size, device=device))
        self.register_buffer("scale", torch.ones(n_seeds, 1, observation_size, device=device))

    def fit(self, table: TransitionTable, smallest_std: float) -> None:
        """Standardizes by the states of the data, with sums in double precision."""
        states = table.state.double()
        self.shift.copy_(states.mean(0).float())
        self.scale.copy_((states.std(0, correction=0) + smallest_std).float())

    def forward(self, state: Tensor) -> Tensor:
        """[K, B, D] to [K, B, D]."""
        return (state - self.shift) / self.scale


class TanhPolicy(nn.Module):
    """a = tanh(network(s)), or N(tanh(network(s)), std^2) cut to [-1, 1].

    Args:
        observation_size: D.
        action_size: A.
        config: of the network and its inputs.
        seeds: K of them; each draws its own initial parameters.
        device: where the parameters live.

    Attributes:
        inputs: what is done to states before the network.
        network: [K] networks of standardized states.
        spread: the logs of the standard deviations, [K, 1, A]; None for a deterministic policy.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: TanhPolicyConfig,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.action_size, self.config = action_size, config
        widths = (observation_size, *config.hidden, action_size)
        generators = [cpu_generator(seed, "policy/initialization") for seed in seeds]
        self.inputs = StateScaling(observation_size, len(seeds), device)
        self.network = StackedMLP((len(seeds),), widths, relu, generators, device)
        self.spread = FlatParameters((len(seeds),), {"log_std": (1, action_size)}, device) if config.gaussian else None

    def fit_inputs(self, table: TransitionTable) -> None:
        """Standardizes observations by the data, where the settings say so."""
        if self.config.standardized:
            self.inputs.fit(table, self.config.smallest_std)

    def of_inputs(self, inputs: Tensor) -> Tensor:
        """tanh(network) at states that `inputs` has standardized: [K, B, D] to [K, B, A]."""
        return self.network(inputs).tanh()

    def best_action(self, state: Tensor) -> Tensor:
        """The same at states in the task's units."""
        return self.of_inputs(self.inputs(state))

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        """One action drawn for each state: [K, B, D] to [K, B, A]."""
        best = self.best_action(state)
        if self.spread is None:
            return best
        return torch.addcmul(best, self.log_std.exp(), generator.normal(*best.shape[1:])).clamp(-1.0, 1.0)

    @property
    def log_std(self) -> Tensor:
        """Of a Gaussian, [K, 1, A], nats."""
        assert self.spread is not None
        return self.spread.views["log_std"].clamp(self.config.lowest_log_std, self.config.highest_log_std)

    def log_probability(self, inputs: Tensor, action: Tensor) -> Tensor:
        """Of actions [K, B, A] at standardized states, before they are cut, nats, [K, B]; of a Gaussian only."""
        noise = (action - self.of_inputs(inputs)) * (-self.log_std).exp()
        return (-0.5 * noise.square() - self.log_std - 0.5 * _LOG_2_PI).sum(-1)

    def snapshot(self, index: int) -> TanhAction:
        """One seed's best actions, for evaluation: a copy."""
        shift, scale = (each[index, 0].cpu().numpy().copy() for each in (self.inputs.shift, self.inputs.scale))
        std = torch.zeros(self.action_size) if self.spread is None else self.log_std[index, 0].detach().exp().cpu()
        return TanhAction(network=self.network.snapshot(index, slope=0.0), shift=shift, scale=scale, std=std.numpy())


class PolicyAdam(nn.Module):
    """Adam on all that a policy has.

    Args:
        policy: what is trained.
        learning_rate: step size.
        weight_decay: coupled L2 penalty of all of it.
    """

    def __init__(self, policy: TanhPolicy, learning_rate: float, weight_decay: float = 0.0) -> None:
        super().__init__()
        self._parts = [part for part in (policy.network, policy.spread) if part is not None]
        self._each = [
            StackedAdam(part, learning_rate=learning_rate, weight_decay=dict.fromkeys(part.views, weight_decay))
            for part in self._parts
        ]
        self.optimizers = nn.ModuleList(self._each)  # for the state

    def set_learning_rate(self, value: float) -> None:
        """Changes the step size from the next step on."""
        for optimizer in self._each:
            optimizer.set_learning_rate(value)

    def step(self, loss: Tensor) -> None:
        """One step down a scalar, the sum of the seeds' losses."""
        views = [list(part.views.values()) for part in self._parts]
        slopes = iter(torch.autograd.grad(loss, [view for own in views for view in own]))
        for optimizer, own in zip(self._each, views, strict=True):
            optimizer.step([next(slopes) for _ in own])


def saved_tanh_action(sizes: tuple[int, int], policy: Mapping[str, Any], state: State) -> TanhAction:
    """The policy in a checkpoint, see `OfflineAlgorithm.saved_actor`.

    Args:
        sizes: D and A.
        policy: its `TanhPolicyConfig`, as config.json has it.
        state: of the checkpoint.
    """
    saved = TanhPolicy(*sizes, TanhPolicyConfig(**recorded_fields(policy)), [0])
    load_seed_state(saved.state_dict(), 0, without_prefix("learner/policy", state))
    return saved.snapshot(0)
