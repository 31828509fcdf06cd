"""Learners of several seeds as one `ampl.interfaces.Algorithm`, and how `ampl train` gets one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from ampl.arithmetic import Arithmetic
from ampl.errors import InvalidArgumentError, UnknownNameError
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Actor, Array, Evaluation, Metrics, State
from ampl.scale import Scale
from ampl.settings import apply_settings
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner
from tabular.algorithms.saved_policy import DrawnAction
from tabular.mdps.mdp import FiniteMDP

_EPOCHS = 20  # exact policy iteration settles within a few epochs of each refit; twenty see three refits

_Config = TypeVar("_Config", bound=OfflineConfig)
_Config_contra = TypeVar("_Config_contra", bound=OfflineConfig, contravariant=True)


class ExactAlgorithm:
    """An `ampl.interfaces.Algorithm` of the exact wing.

    Args:
        name: as on the command line.
        learners: one a seed.
        seeds: in the same order.
        config: every hyperparameter, with the discount and what the variant sets.
    """

    device = "cpu"
    arithmetic = None
    dataset_sha256 = None
    steps_per_epoch = 1
    evaluates_exactly = True

    def __init__(
        self, name: str, learners: Sequence[OfflineLearner], seeds: Sequence[int], config: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.seeds = tuple(seeds)
        self.retrain_period = learners[0].retrain_period
        self._learners = list(learners)
        self._config = dict(config)

    def config(self) -> Mapping[str, Any]:
        """Every hyperparameter, with the discount and what the variant sets."""
        return self._config

    def notes(self) -> Sequence[str]:
        """None: the exact wing is never scaled down."""
        return ()

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """(Weighted) maximum likelihood of each seed.  Source: AMPL, Eqs. 4 and 6."""
        given = [None] * len(self.seeds) if weights is None else weights
        return [learner.fit_model(rows) for learner, rows in zip(self._learners, given, strict=True)]

    def estimate_weights(self) -> Sequence[Array]:
        """One weight a transition, mean one.  Source: AMPL, Eq. 9."""
        return [learner.estimate_weights() for learner in self._learners]

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One epoch of each seed."""
        return [learner.improve_policy() for learner in self._learners]

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        """Exact returns and what bounds them; no episodes are run."""
        return [partial(dict, learner.evaluate()) for learner in self._learners]

    def state(self, index: int) -> State:
        """Of one seed."""
        return self._learners[index].state()

    def load_state(self, index: int, state: State) -> None:
        """Inverse of `state`."""
        self._learners[index].load_state(state)


class _MakesLearners(Protocol[_Config_contra]):
    """A subclass of `OfflineLearner`."""

    def __call__(self, mdp: FiniteMDP, config: _Config_contra, variant: str, seed: int) -> OfflineLearner:
        """The learner of one seed."""


@dataclass(frozen=True, kw_only=True)
class ExactFactory(Generic[_Config]):
    """An `ampl.interfaces.AlgorithmFactory` for finite problems.

    Attributes:
        name: as on the command line.
        variants: each with what it is.
        published: the settings, the same for every problem and variant.
        learner: makes the learner of one seed.
        epochs: how many by default.
    """

    name: str
    variants: Mapping[str, str]
    published: _Config
    learner: _MakesLearners[_Config]
    epochs: int = _EPOCHS

    def make(
        self, mdp: FiniteMDP, seeds: Sequence[int], config: _Config | None = None, variant: str = "main"
    ) -> ExactAlgorithm:
        """The algorithm for several seeds.

        Args:
            mdp: the true MDP, dense.
            seeds: one dataset each.
            config: hyperparameters; None: as published.
            variant: one of `variants`.

        Raises:
            UnknownNameError: another variant.
        """
        if variant not in self.variants:
            raise UnknownNameError(f"variant of tabular {self.name}", variant, self.variants)
        config = config or self.published
        learners = [self.learner(mdp, config, variant, seed) for seed in seeds]
        recorded = asdict(config) | {"discount": mdp.discount} | dict(learners[0].recorded)
        return ExactAlgorithm(self.name, learners, seeds, recorded)

    def default_epochs(self, problem: FiniteMDP, variant: str) -> int:
        """The same for all."""
        return self.epochs

    def settings(self, problem: FiniteMDP, variant: str) -> _Config:
        """The same for every problem and variant."""
        return self.published

    def build(
        self,
        problem: FiniteMDP,
        variant: str,
        seeds: Sequence[int],
        device: str,
        scale: Scale,
        arithmetic: Arithmetic,
    ) -> ExactAlgorithm:
        """The algorithm on a sampled dataset; exact linear algebra runs on the CPU only, and small matrices on a core.

        Raises:
            InvalidArgumentError: device "cuda", or steps asked for.
        """
        if device == "cuda":
            raise InvalidArgumentError(
                "--device is cuda; finite problems are solved exactly on the CPU. Use --device cpu."
            )
        steps = {
            "--steps-per-epoch": scale.steps_per_epoch,
            "--miw-steps": scale.weight_steps,
            "--model-steps": scale.model_steps,
        }
        for option in (option for option, count in steps.items() if count is not None):
            raise InvalidArgumentError(
                f"{option} is given; finite problems are solved exactly, without steps. Leave it out."
            )
        return self.make(problem, seeds, apply_settings(self.published, scale.settings), variant)

    def saved_policy(
        self, problem: FiniteMDP, settings: Mapping[str, Any], state: State
    ) -> tuple[tuple[int, ...], Actor]:
        """Draws actions at the numbers of states; an `ampl.interfaces.GivesPolicies`."""
        return (), DrawnAction(state["policy"])
