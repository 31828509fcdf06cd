"""Soft actor-critic with automatic temperature, as D4RL's behavior policies were trained, written for one CPU thread.

One update follows D4RL's trainer: the losses of the policy, of both critics and of the temperature are taken at the
same parameters, then one Adam step moves all of them, then the target critics follow. Nothing else of it matters for
the result; what matters for the speed: the policy sees s and s' in one pass, the twin critics are one stack, (s, a)
and (s, new action) share their pass, and gradients are written out (see `perceptron.py`) and used only where needed.

Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", Eqs. 5 and 7, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError, check_at_least, check_fraction
from continuous.recreate.online_sac.perceptron import Perceptron, initialize
from continuous.recreate.online_sac.policy import LOG_STD_MAX, LOG_STD_MIN, TanhGaussianPolicy, log_density
from continuous.recreate.online_sac.replay import Batch

METRICS = ("target_value", "critic_error", "entropy")  # of one batch, returned by an update


@dataclass(frozen=True, kw_only=True)
class SacConfig:
    """D4RL's hyperparameters."""

    hidden: int = 256  # units in each of two hidden layers
    learning_rate: float = 3e-4  # of Adam, for policy, critics and temperature
    batch_size: int = 256
    discount: float = 0.99  # gamma
    target_rate: float = 0.005  # tau, how far the target critics follow in one update

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("hidden", self.hidden, 1)
        check_at_least("batch_size", self.batch_size, 1)
        check_at_least("learning_rate", self.learning_rate, 0.0)
        check_fraction("discount", self.discount)
        check_fraction("target_rate", self.target_rate)


class SoftActorCritic:
    """Policy, twin critics, their targets and the temperature.

    Args:
        observation_size: D.
        action_size: A.
        config: hyperparameters.
        generator: for the initial weights, on the CPU.
    """

    def __init__(self, observation_size: int, action_size: int, config: SacConfig, generator: torch.Generator) -> None:
        self.config = config
        self._observation_size, self._action_size = observation_size, action_size
        policy_widths = (observation_size, config.hidden, config.hidden, 2 * action_size)
        critic_widths = (observation_size + action_size, config.hidden, config.hidden, 1)
        cut = Perceptron.size(1, policy_widths)
        size = cut + Perceptron.size(2, critic_widths) + 1
        self._parameters, self._gradients = torch.zeros(size), torch.zeros(size)
        self._target_parameters = torch.zeros(size - cut - 1)

        self._policy = Perceptron(self._parameters[:cut], 1, policy_widths)
        self._policy_gradients = Perceptron(self._gradients[:cut], 1, policy_widths)
        self._critics = Perceptron(self._parameters[cut:-1], 2, critic_widths)
        self._critic_gradients = Perceptron(self._gradients[cut:-1], 2, critic_widths)
        self._target = Perceptron(self._target_parameters, 2, critic_widths)
        self._critic_parameters = self._parameters[cut:-1]
        self._log_temperature = self._parameters[-1]  # starts at 0

        initialize(self._policy, 1e-3, generator)
        initialize(self._critics, 3e-3, generator)
        self._target_parameters.copy_(self._critic_parameters)
        self._parameters.grad = self._gradients
        self._optimizer = torch.optim.Adam([self._parameters], lr=config.learning_rate, fused=True)
        self._slope = torch.zeros(2, 2 * config.batch_size, 1)  # of the losses, by the critics' outputs

    @torch.no_grad()
    def update(self, batch: Batch, noise: Tensor) -> Mapping[str, Tensor]:
        """One step of everything.

        Args:
            batch: B = batch_size transitions.
            noise: standard normal, [2B, A]: for new actions at s, then at s'.

        Returns:
            `METRICS`: mean target value, mean squared critic error, entropy of the policy in nats; scalars.
        """
        config, size = self.config, self.config.batch_size
        temperature = self._log_temperature.exp()
        head = self._policy.forward(torch.cat((batch.state, batch.next_state)))[0]  # [2B, 2A]
        actions, log_probabilities, log_std = _sample(head, noise)

        # target of the critics: y = r + gamma (min Q_target(s', a') - alpha log pi(a'|s')), Eq. 5
        next_values = self._target.forward(torch.cat((batch.next_state, actions[size:]), 1)).amin(0)[:, 0]  # [B]
        soft_values = next_values - temperature * log_probabilities[size:]
        targets = batch.reward + config.discount * batch.continues * soft_values  # [B]

        # critics at the data and at the policy's actions
        new_pairs = torch.cat((batch.state, actions[:size]), 1)
        values = self._critics.forward(torch.cat((batch.state_action, new_pairs)))  # [2, 2B, 1]
        errors = values[:, :size, 0] - targets  # [2, B]
        self._slope[:, :size, 0] = errors * (2.0 / size)
        # the policy maximizes the smaller critic: only that one passes a slope on, Eq. 7
        first_is_smaller = values[0, size:, 0] <= values[1, size:, 0]
        self._slope[0, size:, 0] = first_is_smaller * (-1.0 / size)
        self._slope[1, size:, 0] = ~first_is_smaller * (-1.0 / size)
        sums = self._critics.backward(self._slope, self._critic_gradients, fitted=size)  # [2, 2B, hidden]
        (first, second), states = self._critics.weights[0], self._observation_size
        action_slope = torch.mm(sums[0, size:], first[states:].T)
        action_slope.addmm_(sums[1, size:], second[states:].T)  # [B, A]

        # through the squashed Gaussian: mean over the batch of alpha log pi(a|s) - min Q(s, a), Eq. 7
        new_actions, share = actions[:size], temperature / size
        mean_slope = action_slope * (1.0 - new_actions.square()) + new_actions * (2.0 * share)
        log_std_slope = mean_slope * noise[:size] * log_std[:size].exp() - share
        raw = head[:size, self._action_size :]
        log_std_slope *= (raw > LOG_STD_MIN) & (raw < LOG_STD_MAX)
        self._policy.backward(torch.cat((mean_slope, log_std_slope), 1)[None], self._policy_gradients, fitted=size)

        # temperature: mean of -log alpha (log pi(a|s) + target entropy), section 5, the target being -A
        entropy = -log_probabilities[:size].mean()
        self._gradients[-1] = entropy + self._action_size

        self._optimizer.step()
        self._target_parameters.lerp_(self._critic_parameters, config.target_rate)
        return dict(zip(METRICS, (targets.mean(), errors.square().mean(), entropy), strict=True))

    @property
    def temperature(self) -> float:
        """Alpha, in reward units a nat."""
        return float(self._log_temperature.exp())

    def policy(self) -> TanhGaussianPolicy:
        """A copy of the policy as it is now."""
        (first, second, last), (first_bias, second_bias, last_bias) = self._policy.weights, self._policy.biases
        size = self._action_size
        return TanhGaussianPolicy(
            {
                "fc0/weight": first[0].T,
                "fc0/bias": first_bias[0, 0],
                "fc1/weight": second[0].T,
                "fc1/bias": second_bias[0, 0],
                "last_fc/weight": last[0, :, :size].T,
                "last_fc/bias": last_bias[0, 0, :size],
                "last_fc_log_std/weight": last[0, :, size:].T,
                "last_fc_log_std/bias": last_bias[0, 0, size:],
            }
        )

    def state(self) -> dict[str, Tensor]:
        """Everything an update depends on, without copies."""
        moments = self._optimizer.state[self._parameters]
        zeros = torch.zeros_like(self._parameters)
        return {
            "parameters": self._parameters,
            "target_parameters": self._target_parameters,
            "first_moment": moments.get("exp_avg", zeros),
            "second_moment": moments.get("exp_avg_sq", zeros),
            "updates": moments.get("step", torch.zeros(())),
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` gave.

        Raises:
            InvalidArgumentError: a tensor is missing or has another shape.
        """
        for name, tensor in self.state().items():
            if name not in state or state[name].shape != tensor.shape:
                found = list(state[name].shape) if name in state else "missing"
                raise InvalidArgumentError(f"state '{name}' is {found}; expected {list(tensor.shape)}.")
        self._parameters.copy_(state["parameters"])
        self._target_parameters.copy_(state["target_parameters"])
        self._optimizer.state[self._parameters] = {
            "step": state["updates"].clone(),
            "exp_avg": state["first_moment"].clone(),
            "exp_avg_sq": state["second_moment"].clone(),
        }


def _sample(head: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Actions [n, A], their log-probabilities [n], and the clamped log standard deviations [n, A]."""
    mean, log_std = head.chunk(2, dim=1)
    log_std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
    before_squash = torch.addcmul(mean, log_std.exp(), noise)
    return before_squash.tanh(), log_density(before_squash, noise, log_std), log_std
