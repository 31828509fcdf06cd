"""One thing to try a claim on: a linear-Gaussian problem, a model, a policy, a behavior policy, and what follows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import AmplError, InvalidFileError
from ampl.files import check_replaceable, read_npz, write_npz
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.divergences import model_divergence, policy_divergence
from continuous.linear_gaussian.mixtures import GaussianMixture, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP
from continuous.linear_gaussian.returns import QuadraticValue, quadratic_value
from continuous.linear_gaussian.rewards import BoundedReward, QuadraticReward

ROUNDING = 1e-11  # of a return with the bounded reward, which is in (0, 1]: occupancies leave out 1e-12
_DYNAMICS = ("state_matrix", "action_matrix", "covariance", "offset")
_POLICY = ("gain", "offset", "covariance")
_DATA_ROWS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A linear-Gaussian problem, a model of it, a policy, a behavior policy, and a seed for the rest.

    The problem has the bounded reward exp(-x'Wx/2), whose r_max is one; `quadratic` is the same with -x'Wx. Everything
    else is computed once, on first use.
    """

    mdp: LinearGaussianMDP
    model: LinearDynamics
    policy: AffineGaussianPolicy
    behavior: AffineGaussianPolicy
    family: str
    seed: int

    def generator(self, purpose: str) -> np.random.Generator:
        """A random stream of this case's own, one for each purpose."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])

    @property
    def in_reward_units(self) -> Case:
        """Itself: r_max is one."""
        return self

    @property
    def size(self) -> tuple[int, ...]:
        """Coordinates of the state and of the action."""
        return self.mdp.dynamics.state_size, self.mdp.dynamics.action_size

    @property
    def in_words(self) -> str:
        """Sizes and discount."""
        return "{} state and {} action coordinates, discount {:g}".format(*self.size, self.discount)

    @property
    def discount(self) -> float:
        """The problem's."""
        return self.mdp.discount

    @cached_property
    def quadratic(self) -> LinearGaussianMDP:
        """The problem with the quadratic reward of the same W."""
        return replace(self.mdp, reward=QuadraticReward(self.mdp.reward.matrix))

    @cached_property
    def policy_occupancy(self) -> GaussianMixture:
        """d_pi under P*, over (s, a)."""
        return occupancy(self.mdp, self.policy)

    @cached_property
    def model_occupancy(self) -> GaussianMixture:
        """d_pi under P_hat."""
        return occupancy(self.mdp, self.policy, self.model)

    @cached_property
    def behavior_occupancy(self) -> GaussianMixture:
        """d_b under P*."""
        return occupancy(self.mdp, self.behavior)

    @cached_property
    def data(self) -> Floats:
        """1,000 rows (s, a) of d_b, [1000, D + A]."""
        return self.behavior_occupancy.sample(_DATA_ROWS, self.generator("data"))

    def mean_reward(self, law: GaussianMixture) -> float:
        """E[r] of the bounded reward under a law of (s, a)."""
        return float(law.shares @ self.mdp.reward.expectation(law.means, law.covariances))

    @cached_property
    def expected_return(self) -> float:
        """J(pi, P*) with the bounded reward."""
        return self.mean_reward(self.policy_occupancy)

    @cached_property
    def expected_return_in_model(self) -> float:
        """J(pi, P_hat) with the bounded reward."""
        return self.mean_reward(self.model_occupancy)

    @property
    def optimism(self) -> float:
        """J(pi, P_hat) - J(pi, P*) with the bounded reward, without what is only rounding."""
        difference = self.expected_return_in_model - self.expected_return
        return difference if abs(difference) > ROUNDING else 0.0

    @cached_property
    def value(self) -> QuadraticValue:
        """V_pi under P* with the quadratic reward."""
        return quadratic_value(self.quadratic, self.policy)

    @cached_property
    def quadratic_return(self) -> float:
        """J(pi, P*) with the quadratic reward."""
        return self.value.expected_return(self.quadratic)

    @cached_property
    def quadratic_return_in_model(self) -> float:
        """J(pi, P_hat) with the quadratic reward."""
        return quadratic_value(self.quadratic, self.policy, self.model).expected_return(self.quadratic)

    @property
    def quadratic_scale(self) -> float:
        """The larger of the two quadratic returns in size: a unit for what is compared with them."""
        return max(abs(self.quadratic_return), abs(self.quadratic_return_in_model), 1e-300)

    @property
    def has_noise_of_truth(self) -> bool:
        """Whether model and truth have one covariance."""
        return np.array_equal(self.model.covariance, self.mdp.dynamics.covariance)

    def next_pairs(self, law: GaussianMixture, policy: AffineGaussianPolicy) -> GaussianMixture:
        """The law of (s', a') after (s, a) of a law, under P* and a policy."""
        dynamics = self.mdp.dynamics
        spread = dynamics.matrix @ law.covariances @ dynamics.matrix.T + dynamics.covariance
        return GaussianMixture(law.shares, *policy.joint(dynamics.next_mean(law.means), spread))

    @cached_property
    def model_part(self) -> float:
        """E_{d_pi}[KL(P* || P_hat)], nats."""
        return model_divergence(self.policy_occupancy, self.mdp.dynamics, self.model)

    @cached_property
    def divergence(self) -> float:
        """D_pi(P*, P_hat) of Theorem 1 by its two parts, nats."""
        arriving = self.next_pairs(self.policy_occupancy, self.behavior)
        return self.model_part + policy_divergence(arriving, self.behavior, self.policy)


def save_case(path: Path, case: Case, extra: Mapping[str, Any]) -> None:
    """Writes a case and some named values to .npz, atomically, so that it can be rerun."""
    check_replaceable(path)
    mdp = case.mdp
    arrays: dict[str, Any] = {
        "weight": mdp.reward.matrix,
        "initial_mean": mdp.initial_mean,
        "initial_covariance": mdp.initial_covariance,
        "discount": np.float64(mdp.discount),
        "family": np.array(case.family),
        "seed": np.int64(case.seed),
    }
    for name, part, fields in _parts(mdp.dynamics, case.model, case.policy, case.behavior):
        arrays |= {f"{name}_{field}": getattr(part, field) for field in fields}
    write_npz(path, arrays | dict(extra))


def load_case(path: Path, required: tuple[str, ...] = ()) -> tuple[Case, dict[str, NDArray[Any]]]:
    """Reads a case back, with every array of its file.

    Raises:
        InvalidFileError: unreadable, no saved case, or arrays that make none; the message begins with the file's name.
    """
    fields = [f"{name}_{field}" for name, _, fields in _parts(*[None] * 4) for field in fields]
    own = ("weight", "initial_mean", "initial_covariance", "discount", "family", "seed")
    arrays = read_npz(path, "a linear-Gaussian case saved by ampl verify", (*own, *fields, *required))
    for name, kinds in (("discount", "f"), ("seed", "iu"), ("recorded", "f")):
        if name in arrays and (arrays[name].shape or arrays[name].dtype.kind not in kinds):
            found = f"{arrays[name].dtype} {list(arrays[name].shape)}"
            raise InvalidFileError(f"{path}: array '{name}' is {found}; expected one number.")

    def part(name: str, of: tuple[str, ...]) -> dict[str, Any]:
        return {field: arrays[f"{name}_{field}"] for field in of}

    try:
        mdp = LinearGaussianMDP(
            LinearDynamics(**part("truth", _DYNAMICS)),
            arrays["initial_mean"],
            arrays["initial_covariance"],
            BoundedReward(arrays["weight"]),
            float(arrays["discount"]),
        )
        case = Case(
            mdp=mdp,
            model=LinearDynamics(**part("model", _DYNAMICS)),
            policy=AffineGaussianPolicy(**part("policy", _POLICY)),
            behavior=AffineGaussianPolicy(**part("behavior", _POLICY)),
            family=str(arrays["family"]),
            seed=int(arrays["seed"]),
        )
    except AmplError as error:
        raise InvalidFileError(f"{path}: {error}") from error
    return case, arrays


def _parts(*objects: Any) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Name in the file, object and fields of the dynamics, the model, the policy and the behavior policy."""
    names, fields = ("truth", "model", "policy", "behavior"), (_DYNAMICS, _DYNAMICS, _POLICY, _POLICY)
    return list(zip(names, objects, fields, strict=True))
