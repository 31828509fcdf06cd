"""One thing to try a claim on: a true MDP, a model of it, a policy, a behavior policy, and all that follows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import AbsoluteContinuityError, InvalidFileError
from ampl.files import check_replaceable, read_npz, write_npz
from tabular.bounds.penalized_mdp import value_error
from tabular.bounds.theorem1 import joint_divergence, model_divergence, model_policy_divergence
from tabular.exact import occupancy as exact
from tabular.exact.linear_solvers import NEAR_ONE
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.mdp_files import OPTIONAL_ARRAYS, check_real, mdp_arrays, mdp_from_arrays
from tabular.types import ActionValue, Floats, Occupancy, Policy, StateValue, Weights
from tabular.weights.contraction import ContractionCertificates, contraction_certificates, sup_norm_factor
from tabular.weights.operator import WeightOperator, density_ratio

DENSE_PAIRS = 600
"""Largest number of state-action pairs for which claims that need dense matrices over pairs are tried."""

_NUMBERS = {"seed": "iu", "recorded": "f"}  # in a saved case, and the kinds of their dtypes


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A true MDP, a model of it with the same reward, a policy covered by a behavior policy, and a seed for the rest.

    Everything else is computed once, on first use.
    """

    mdp: FiniteMDP
    model: FiniteMDP
    policy: Policy
    behavior: Policy
    family: str
    seed: int

    def generator(self, purpose: str) -> np.random.Generator:
        """A random stream of this case's own, one for each purpose."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])

    @property
    def n_pairs(self) -> int:
        """S * A."""
        return self.mdp.n_states * self.mdp.n_actions

    @property
    def size(self) -> tuple[int, ...]:
        """Whether all rewards are zero, the states, the actions and the transitions of positive probability."""
        dynamics: Any = self.mdp.dynamics
        n_transitions = dynamics.nnz if self.mdp.is_sparse else np.count_nonzero(dynamics)  # sparse ones store no zeros
        return not self.mdp.reward.any(), self.mdp.n_states, self.mdp.n_actions, int(n_transitions)

    @property
    def in_words(self) -> str:
        """States, actions and discount."""
        counts = [(self.mdp.n_states, "state"), (self.mdp.n_actions, "action")]
        return ", ".join([*(f"{n} {noun}{'s' * (n != 1)}" for n, noun in counts), f"discount {self.discount:g}"])

    @property
    def discount(self) -> float:
        """The MDP's."""
        return self.mdp.discount

    @property
    def is_small(self) -> bool:
        """Whether dense matrices over pairs are affordable."""
        return self.n_pairs <= DENSE_PAIRS

    @cached_property
    def in_reward_units(self) -> Case:
        """This case with rewards divided by r_max: what claims are measured on, for they hold in any unit.

        So rewards of any scale can be squared, and tolerances are relative to r_max.
        """
        bound = self.mdp.reward_bound
        if bound in (0.0, 1.0):
            return self
        mdp, model = (
            FiniteMDP(part.dynamics, part.reward / bound, part.initial, part.discount, reward_bound=1.0, name=part.name)
            for part in (self.mdp, self.model)
        )
        return replace(self, mdp=mdp, model=model)

    @cached_property
    def policy_occupancy(self) -> Occupancy:
        """d_pi under P*, [S, A]."""
        return exact.occupancy(self.mdp, self.policy)

    @cached_property
    def model_occupancy(self) -> Occupancy:
        """d_pi under P_hat, [S, A]."""
        return exact.occupancy(self.model, self.policy)

    @cached_property
    def behavior_occupancy(self) -> Occupancy:
        """d_b, [S, A]."""
        return self.operator.behavior_occupancy

    @cached_property
    def operator(self) -> WeightOperator:
        """T of Proposition 2."""
        return WeightOperator(self.mdp, self.policy, self.behavior, self.policy_occupancy)

    @cached_property
    def certificates(self) -> ContractionCertificates:
        """Spectral radius and operator norms of K."""
        return contraction_certificates(self.operator)

    @cached_property
    def sup_norm_factor(self) -> float:
        """The sup norm of K in closed form."""
        return sup_norm_factor(self.mdp, self.policy, self.behavior)

    @cached_property
    def weights(self) -> Weights:
        """w* = d_pi / d_b, [S, A]."""
        return density_ratio(self.policy_occupancy, self.behavior_occupancy)

    @cached_property
    def state_value(self) -> StateValue:
        """V_pi under P*, [S]."""
        return exact.state_value(self.mdp, self.policy)

    @cached_property
    def relative_value(self) -> StateValue:
        """V_pi under P* without the level that all states share, [S]: its differences keep their digits."""
        return exact.relative_value(self.mdp, self.policy)

    @cached_property
    def value_error(self) -> Floats:
        """G(s, a) = E_P_hat[V] - E_P*[V] with V = V_pi under P*, [S, A], reward units."""
        return value_error(self.mdp, self.model, self.relative_value)

    @cached_property
    def value_rounding(self) -> float:
        """What rounding can do to the value error, in reward units."""
        return self.rounding * (1.0 + float(np.abs(self.relative_value).max()) / max(self.mdp.reward_bound, 1e-300))

    @cached_property
    def action_value(self) -> ActionValue:
        """Q_pi under P*, [S, A]."""
        return exact.one_step_value(self.mdp, self.state_value)

    @cached_property
    def model_state_value(self) -> StateValue:
        """V_pi under P_hat, [S]."""
        return exact.state_value(self.model, self.policy)

    @cached_property
    def model_action_value(self) -> ActionValue:
        """Q_pi under P_hat, [S, A]: the test function AMPL uses."""
        return exact.one_step_value(self.model, self.model_state_value)

    @cached_property
    def expected_return(self) -> float:
        """J(pi, P*)."""
        return exact.return_from_start(self.mdp, self.state_value)

    @cached_property
    def expected_return_in_model(self) -> float:
        """J(pi, P_hat)."""
        return exact.return_from_start(self.model, self.model_state_value)

    @cached_property
    def return_gap(self) -> float:
        """|J(pi, P*) - J(pi, P_hat)|, with differences below rounding set to zero."""
        gap = abs(self.expected_return - self.expected_return_in_model)
        return gap if gap > self.rounding else 0.0

    @property
    def rounding(self) -> float:
        """What rounding can do to a normalized return, in reward units; the elimination near discount 1 adds none."""
        return 1e-13 * max(self.mdp.reward_bound, 1e-300) / (1.0 - min(self.discount, NEAR_ONE))

    @cached_property
    def model_part(self) -> float:
        """E_{d_pi}[KL(P* || P_hat)], nats."""
        return model_divergence(self.mdp, self.model, self.policy_occupancy)

    @cached_property
    def divergence(self) -> float:
        """D_pi(P*, P_hat) of Theorem 1, nats; infinite if the policy never takes an action that the data has."""
        try:
            parts = model_policy_divergence(self.mdp, self.model, self.policy, self.behavior, self.policy_occupancy)
        except AbsoluteContinuityError:
            return float("inf")
        return parts.total

    @cached_property
    def joint_divergence(self) -> float:
        """D_pi as printed, from the joints over (s', a'), nats."""
        return joint_divergence(self.mdp, self.model, self.policy, self.behavior, self.weights, self.behavior_occupancy)

    def random_function(self, purpose: str) -> Floats:
        """A random function of the pair, [S, A], uniform in [-1, 1]."""
        return self.generator(purpose).uniform(-1.0, 1.0, self.policy.shape)


def save_case(path: Path, case: Case, extra: Mapping[str, Any]) -> None:
    """Writes a case and some named values to .npz, atomically, so that it can be rerun."""
    check_replaceable(path)
    arrays: dict[str, Any] = mdp_arrays(case.mdp, "mdp_")
    arrays |= {"model_dynamics": case.model.to_dense().dynamics, "policy": case.policy, "behavior": case.behavior}
    arrays |= {"family": np.array(case.family), "seed": np.int64(case.seed)}
    write_npz(path, arrays | dict(extra))


def load_case(path: Path, required: tuple[str, ...] = ()) -> tuple[Case, dict[str, NDArray[Any]]]:
    """Reads a case back, with every array of its file.

    Raises:
        InvalidFileError: unreadable or not a saved case.
        AmplError: its arrays are not valid; the message starts with the file's name.
    """
    of_mdp = ("mdp_reward", "mdp_initial", "mdp_discount")
    names = (*of_mdp, "model_dynamics", "policy", "behavior", "family", "seed", *required)
    optional = [f"mdp_{name}" for name in OPTIONAL_ARRAYS]
    arrays = read_npz(path, "a case saved by ampl verify", names, optional)
    for name in ("model_dynamics", "policy", "behavior"):
        check_real(str(path), name, arrays[name])
    for name, kinds in _NUMBERS.items():
        if name in arrays and (arrays[name].shape or arrays[name].dtype.kind not in kinds):
            found = f"{arrays[name].dtype} {list(arrays[name].shape)}"
            raise InvalidFileError(f"{path}: array '{name}' is {found}; expected one number.")
    mdp = mdp_from_arrays(arrays, str(path), "mdp_")
    case = Case(
        mdp=mdp,
        model=mdp.with_dynamics(arrays["model_dynamics"]),
        policy=mdp.check_policy(arrays["policy"]),
        behavior=mdp.check_policy(arrays["behavior"]),
        family=str(arrays["family"]),
        seed=int(arrays["seed"]),
    )
    return case, arrays
