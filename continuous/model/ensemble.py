"""AMPL's dynamics model: an ensemble of Gaussians over reward and next state.

The members with the lowest hold-out loss, the elites, predict: a row is given to one of them, and its reward and next
state are drawn from that Gaussian. Rows are dealt to the elites in turn, row i to elite (i + shift) mod 5 with a shift
drawn anew at every step, so that every row is computed once: a stratified draw, in which each row's elite is uniform
and independent of its elites at other steps, while the rows of one step share the elites evenly. The released code
computes all members for every row and picks one at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import silu

from ampl.interfaces import Metrics
from continuous.model.fit import Fit
from continuous.model.fit_run import FitState
from continuous.model.loss import LikelihoodLoss, ModelLoss
from continuous.model.network import DynamicsConfig as DynamicsConfig
from continuous.model.network import DynamicsNetwork, Standardization
from continuous.networks.seed_state import load_seed_state, prefixed, seed_state, without_prefix
from continuous.networks.stacks import StackedMLP
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import TransitionTable

FIT_METRICS = ("model/holdout_loss", "model/training_loss", "model/epochs")  # of `EnsembleDynamics.fit`, one a seed
_TRIFLE = 1e-6  # units of the state


class EnsembleDynamics:
    """The model of K seeds.

    Args:
        observation_size: D.
        action_size: A.
        config: the ensemble and how it is fitted.
        seeds: K of them; each member draws its own initial parameters.
        termination: the task's rule, from states, actions and next states.
        state_bound: a larger |s'_i| ends the episode, [D] (see `state_bound`).
        reward_bound: so does a larger |r|, a scalar (see `reward_bound`); either is given the reward -reward_bound.
        device: where everything lives.

    Attributes:
        network: all members.
        elites: which members predict, best first, [K, elites].
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        config: DynamicsConfig,
        seeds: Sequence[int],
        *,
        termination: Callable[[Tensor, Tensor, Tensor], Tensor],
        state_bound: Tensor,
        reward_bound: Tensor,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        generators = [
            cpu_generator(seed, f"dynamics/initialization/{member}")
            for seed in seeds
            for member in range(config.members)
        ]
        self.network = DynamicsNetwork(observation_size, action_size, config, generators, device)
        self.standardization = Standardization(observation_size, action_size, device)
        self._termination = termination
        self._state_bound, self._reward_bound = state_bound.to(device), reward_bound.to(device)
        stack, widths = (len(seeds), config.elites), self.network.members.widths
        self._predictors = StackedMLP(stack, widths, _silu_in_place, None, device)
        self.elites = torch.arange(config.elites, device=device).repeat(len(seeds), 1)
        self.copy_elites()
        self._fit: Fit | None = None  # while it goes on
        self._begun: dict[int, FitState] = {}  # what a fit that was put back goes on with, by index of the seed

    def fit(
        self,
        dataset: TransitionTable,
        weights: Tensor | None,
        generator: SeedStreams,
        loss: ModelLoss | None = None,
    ) -> list[Metrics]:
        """Fits all seeds, going on from where the last fit ended, and chooses the elites.  Eqs. 4 and 6.

        In its pauses (`ampl.pauses`) `state` has the fit in it; after `load_state` of such a state, `fit` goes on with
        it, if it is given the same dataset, weights and loss.

        Args:
            dataset: N transitions, which all seeds share.
            weights: w of every transition for each seed, [K, N], >= 0, of any mean; None is plain maximum likelihood.
            generator: for the hold-out transitions and the batches.
            loss: what to minimize; the likelihood if not given.

        Returns:
            One a seed: the elites' criterion on held-out transitions (`HoldoutCriterion`), the loss of all members in
            training (the likelihood's: twice the nats for each dimension of the target, without the constant), and how
            many looks at the transitions held out the fit took, as "model/epochs".
        """
        rows = self.standardization.fit(dataset, targets=self.config.standardizes_targets)
        begun, self._begun = self._begun, {}
        self._fit = Fit(self.network, rows, weights, generator, loss or LikelihoodLoss(), begun)
        try:
            results = self._fit.finish()
        finally:
            self._fit = None
        holdout_loss = torch.stack([result.holdout_loss for result in results])  # [K, E]
        best = holdout_loss.sort(dim=-1, stable=True)
        self.elites.copy_(best.indices[:, : self.config.elites])
        self.copy_elites()
        elites_loss = best.values[:, : self.config.elites].mean(-1).tolist()
        found = zip(elites_loss, results, strict=True)
        return [
            dict(zip(FIT_METRICS, (loss, result.training_loss, float(result.looks)), strict=True))
            for loss, result in found
        ]

    @torch.no_grad()
    def step(self, state: Tensor, action: Tensor, generator: SeedStreams) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the model from each pair.

        Args:
            state: [K, B, D].
            action: [K, B, A].
            generator: for the elites and the Gaussians.

        Returns:
            Next states [K, B, D], rewards [K, B], and whether the episode ended there, [K, B] of bool.
        """
        shift = generator.integers(self.config.elites, 1)
        noise = generator.normal(state.shape[1], state.shape[2] + 1)
        return self.finish(state, action, *self.predict(state, action, noise, shift))

    @torch.no_grad()
    def predict(self, state: Tensor, action: Tensor, noise: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Next states and rewards as the elites draw them; a function of tensors only.

        Args:
            state: [K, B, D].
            action: [K, B, A].
            noise: standard normal, [K, B, D + 1].
            shift: in [0, elites), int64, [K, 1]: row i is given to elite (i + shift) mod elites.

        Returns:
            Next states [K, B, D] and rewards [K, B], which need not be finite (see `finish`).
        """
        there, back = dealing(shift, state.shape[1], self.config.elites)
        inputs = self.standardization.inputs(state, action)
        dealt = inputs.flatten(0, 1).index_select(0, there.flatten()).view(*there.shape, -1)  # [K, elites, b, D + A]
        out = self._predictors(dealt)  # [K, elites, b, 2 (D + 1)]
        rows = out.flatten(0, 2).index_select(0, back.flatten()).view(*back.shape, -1)
        mean, log_std = rows[:, None].chunk(2, dim=-1)  # [K, 1, B, D + 1]
        target = torch.addcmul(mean, self.network.bound(log_std).exp_(), noise[:, None])[:, 0]
        return self.standardization.next_state(state, target), self.standardization.reward(target)

    @torch.no_grad()
    def next_state_log_density(self, state: Tensor, action: Tensor, next_state: Tensor) -> Tensor:
        """log P_hat(s' | s, a): P_hat draws an elite, which draws from a Gaussian with independent coordinates.

        Args:
            state: [K, B, D].
            action: [K, B, A].
            next_state: [K, B, D].

        Returns:
            In nats, with respect to Lebesgue measure in the states' units, [K, B].
        """
        mean, std = self.elite_predictions(state, action)
        apart = next_state[:, None] - (state[:, None] + mean[..., 1:])
        return mixture_log_density(apart / std[..., 1:], std[..., 1:])

    @torch.no_grad()
    def elite_predictions(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of (r, s' - s) by every elite, in the data's units, [K, elites, B, D + 1]."""
        scale = self.standardization
        inputs = scale.inputs(state, action)[:, None].expand(-1, self.config.elites, -1, -1)
        mean, log_std = self._predictors(inputs).chunk(2, dim=-1)
        std = self.network.bound(log_std).exp()
        return torch.addcmul(scale.target_mean, mean, scale.target_std), std * scale.target_std

    def finish(
        self, state: Tensor, action: Tensor, next_state: Tensor, reward: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Ends episodes: by the task's rule, where a prediction left the bounds, and where it is not finite.

        Leaving the bounds costs -reward_bound. A prediction that is not finite becomes (s, 0), so that no row that is
        kept has anything but numbers; an infinite one has left the bounds, too, if there are any. AMPL's released code
        goes on from a prediction with a NaN; MOPO's ends there.

        Args:
            state: [K, B, D].
            action: [K, B, A].
            next_state: as predicted, [K, B, D].
            reward: as predicted, [K, B].

        Returns:
            Next states, rewards and whether the episode ended, as `step` does.
        """
        finite = next_state.isfinite().all(-1) & reward.isfinite()
        outside = (next_state.abs() > self._state_bound).any(-1) | (reward.abs() > self._reward_bound)
        next_state = torch.where(finite[..., None], next_state, state)
        reward = torch.where(outside, -self._reward_bound, reward.where(finite, 0.0))
        return next_state, reward, self._termination(state, action, next_state) | outside | ~finite

    def state(self, index: int) -> dict[str, NDArray[Any]]:
        """Everything of one seed; the standardization is the same for all."""
        vectors = {name: vector.cpu().numpy().copy() for name, vector in self.standardization.state_dict().items()}
        own = seed_state({"elites": self.elites}, index) | prefixed("standardization", vectors)
        if self._fit is None:
            return own | prefixed("network", seed_state(self.network.state_dict(), index))
        return own | prefixed("network", self._fit.network_state(index)) | prefixed("fit", self._fit.state(index))

    def load_state(self, index: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Puts one seed back to where `state` was taken."""
        load_seed_state(self.network.state_dict(), index, without_prefix("network", state))
        load_seed_state({"elites": self.elites}, index, state)
        vectors = without_prefix("standardization", state).items()
        self.standardization.load_state_dict({name: torch.from_numpy(np.array(vector)) for name, vector in vectors})
        self.copy_elites()
        self._begun.pop(index, None)
        if begun := without_prefix("fit", state):
            self._begun[index] = begun

    def copy_elites(self) -> None:
        """Gathers the elites' parameters, so that a prediction need not: after any change of them."""
        seeds = torch.arange(len(self.elites), device=self.elites.device)[:, None]
        for name, view in self.network.members.views.items():
            self._predictors.views[name].detach().copy_(view.detach()[seeds, self.elites])


def dealing(shift: Tensor, rows: int, elites: int) -> tuple[Tensor, Tensor]:
    """How rows are dealt to elites in turn.

    Args:
        shift: [K, 1], in [0, elites).
        rows: B of each seed.
        elites: how many.

    Returns:
        Which of the K * B rows each elite takes, [K, elites, ceil(B / elites)], the last row filling up the places of a
        deal that does not come out even; and where each row's prediction then is among all of those places, [K, B].
    """
    device, turns = shift.device, -(-rows // elites)
    seed = torch.arange(len(shift), device=device)[:, None]  # [K, 1]
    first = (torch.arange(elites, device=device) - shift) % elites  # row that each elite takes first, [K, elites]
    turn = torch.arange(turns, device=device) * elites
    there = (first[..., None] + turn).clamp_(max=rows - 1) + seed[..., None] * rows
    row = torch.arange(rows, device=device)
    back = (seed * elites + (row + shift) % elites) * turns + row // elites
    return there, back


def one_elite_each(values: Tensor, shift: Tensor) -> Tensor:
    """What a row's own elite says, [K, B, X], of what all say, [K, elites, B, X]; `shift` as of `dealing`."""
    elites, rows = values.shape[1:3]
    turn = (torch.arange(rows, device=values.device) + shift) % elites  # [K, B]
    return values.gather(1, turn[:, None, :, None].expand(-1, 1, -1, values.shape[-1]))[:, 0]


def mixture_log_density(standard: Tensor, std: Tensor) -> Tensor:
    """Of a uniformly drawn elite's Gaussian with independent coordinates, in nats, [K, B].

    Args:
        standard: how far a point is from each elite's mean in its standard deviations, [K, elites, B, X].
        std: these, [K, elites, B, X].
    """
    gaussians = -0.5 * standard.square() - std.log() - 0.5 * math.log(2.0 * math.pi)
    return gaussians.sum(-1).logsumexp(1) - math.log(std.shape[1])


def state_bound(table: TransitionTable) -> Tensor:
    """Twice the largest |s_i| or |s'_i| of the data, [D]; a trifle where the data is always zero."""
    return 2.0 * torch.maximum(table.state.abs().amax(0), table.next_state.abs().amax(0)).clamp(min=_TRIFLE / 2.0)


def reward_bound(table: TransitionTable) -> Tensor:
    """The larger of |smallest reward - 10 std| and |largest reward + 10 std|, a scalar."""
    spread = 10.0 * table.reward.double().std(correction=0)
    low, high = table.reward.amin() - spread, table.reward.amax() + spread
    return torch.maximum(low.abs(), high.abs()).to(table.reward.dtype)


def _silu_in_place(values: Tensor) -> Tensor:
    return silu(values, inplace=True)
