"""What both wings implement: the seams between an algorithm, the tasks it is trained on, and the driver.

A tabular algorithm works on exact numpy arrays; a deep one on torch tensors with the seeds stacked on a leading axis K.
Shapes below are written without it. Letters: N transitions of the dataset, B rows of a batch, s a state (an integer in
the tabular wing, a vector [D] in the deep one), a an action (an integer, or a vector [A]).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ampl.arithmetic import Arithmetic
from ampl.evaluation_schedule import EvaluationRequest
from ampl.own_data import GivenData
from ampl.scale import Scale

Array: TypeAlias = NDArray[Any]  # numpy, at the seam to the driver
Tensor: TypeAlias = Any  # a numpy array in the tabular wing, a torch tensor in the deep one
Randomness: TypeAlias = Any  # numpy.random.Generator, or torch.Generator in the deep wing
Metrics: TypeAlias = Mapping[str, float]  # names like `group/name_unit`: "evaluation/return_normalized"
Evaluation: TypeAlias = Callable[[], Metrics]  # measures one policy; what it measures does not change any more
ProblemKind: TypeAlias = Literal["finite", "continuous"]  # states and actions are integers, or vectors
State: TypeAlias = Mapping[str, Array]  # named plain arrays; no objects, no pickles
Actor: TypeAlias = Callable[[Array, np.random.Generator], Array]
"""One seed's policy as it is evaluated: [E, D] to [E, A]. A method `draw` may give actions as training draws them."""


class Policy(Protocol):
    """pi(a | s)."""

    def act(self, state: Tensor, generator: Randomness) -> Tensor:
        """One action drawn for each state: [B] or [B, D] to [B] or [B, A]."""


class Algorithm(Protocol):
    """An algorithm of either wing, with several independent seeds trained side by side.

    `ampl.training.train` owns the order of the calls (Algorithm 1), the records and the checkpoints. Every method that
    returns a sequence has one entry a seed, in the order of `seeds`. Seeds never influence each other: each draws only
    from its own `ampl.randomness.stream`s, and seed 3 alone is seed 3 among others, up to the rounding of products that
    are stacked with the others'.
    Metric names do not change from epoch to epoch, and no two of the three methods that give metrics share one. Those
    of evaluations begin with `evaluation/` or `certificate/`, those of the others do not.

    A seed that diverges reports a metric that is not finite; no method raises because of it, so that the others go on.
    It is still computed, but nothing of it is recorded; refits get ones for its weights. When a run is resumed, its
    state comes from an earlier epoch than that of the others, or is not loaded at all.
    """

    @property
    def name(self) -> str:
        """As on the command line: "ampl", "mopo", "damo"."""

    @property
    def seeds(self) -> Sequence[int]:
        """The seeds trained side by side, each >= 0, no two equal."""

    @property
    def retrain_period(self) -> int | None:
        """Epochs between two estimations of the weights with a weighted refit; None: never (MOPO)."""

    @property
    def steps_per_epoch(self) -> int:
        """Updates of the policy's critics in an epoch, >= 1, for the steps per second that the progress shows."""

    @property
    def device(self) -> str:
        """What it runs on, for the manifest: "cpu", or the name of the GPU."""

    @property
    def arithmetic(self) -> Arithmetic | None:
        """Threads and precision, for the manifest; None where they are not for the algorithm to choose."""

    @property
    def dataset_sha256(self) -> str | None:
        """Checksum of the dataset file; None where the data is not a file."""

    @property
    def evaluates_exactly(self) -> bool:
        """Whether evaluations are exact, without episodes, and cost nothing worth saving."""

    def config(self) -> Mapping[str, Any]:
        """Every hyperparameter, resolved, as JSON values; the same for every seed (seeds and device are not in it)."""

    def notes(self) -> Sequence[str]:
        """Sentences that readers of the results must know, such as how the run was scaled down; mostly none."""

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        """Fits P_hat and r_hat by maximum likelihood, weighted if weights are given ([N] a seed).  Eqs. 4 and 6."""

    def estimate_weights(self) -> Sequence[Array]:
        """The weights of the policies as they are now: [N] a seed, >= 0, mean one over the data.  Eq. 11."""

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        """One epoch of rollouts, critic and policy updates; epochs count from 1.  Eqs. 12-17."""

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        """Scores of the policies as they are now, to be had by calling each; leaves the state of training as it was.

        An evaluation holds a copy of all it needs: it gives the same metrics whenever it is called, and wherever.
        Which epochs are evaluated changes nothing in the training, random numbers included.

        Args:
            request: what is to be measured.
        """

    def state(self, index: int) -> State:
        """Everything that seed `seeds[index]` needs to continue bit for bit, random generators included.

        No array of a sound seed has a NaN in it (infinities are allowed): one stops the seed.
        """

    def load_state(self, index: int, state: State) -> None:
        """Puts seed `seeds[index]` back to where `state` was taken."""


@runtime_checkable
class Sampled(Protocol):
    """An algorithm that can show where its data, its model and its policy are."""

    def samples(self) -> Sequence[State]:
        """Named samples of each seed, kept in its run directory when training ends."""


@runtime_checkable
class TakesModels(Protocol):
    """An algorithm whose model can be that of another run, fitted to the same data, in place of its first fit.

    Attributes:
        takes_models_of: names of algorithms whose fitted models predict what its own does.
    """

    takes_models_of: Sequence[str]

    def take_model(self, index: int, state: State, metrics: Metrics) -> None:
        """Gives seed `seeds[index]` the model in `state`, and the random numbers of its fits.

        Once every seed has one, the first `fit_model` fits nothing, and does all else that it does.

        Args:
            index: of the seed.
            state: of a seed of the other run, as its `state` gave it; what is not of the model may be missing.
            metrics: what that model's `fit_model` returned.

        Raises:
            KeyError, ValueError, RuntimeError, InvalidShapeError: that model is another kind of network.
        """


@runtime_checkable
class KnowsExactWeights(Protocol):
    """An algorithm whose estimated weights can be set beside the exact ones, on problems where these are known."""

    def exact_weights(self) -> Sequence[Array | None]:
        """w* = d_pi / d_b of the policies as they are now: [N] a seed, or None where it is not known."""


@runtime_checkable
class ProblemSource(Protocol):
    """Problems of one kind by name; announced in the entry-point group `ampl.problems`.

    Its module is imported to list names, so heavy imports belong inside `load`.
    """

    @property
    def kind(self) -> ProblemKind:
        """What all its problems are."""

    def names(self) -> Sequence[str]:
        """The problems, as the command line calls them."""

    # Optional: `finds(name) -> bool`, for names that `load` takes and that are too many to list.

    def load(self, name: str) -> Any:
        """One of them, as algorithms for its kind expect it.

        A finite problem is a dense `tabular.mdps.mdp.FiniteMDP`, a continuous one a `continuous.tasks.registry.Task`,
        whose dataset is read when an algorithm is built on it.
        """


@runtime_checkable
class OpensData(ProblemSource, Protocol):
    """A source of problems that also makes one of data that the user brings; for `ampl train --data`."""

    def opens(self, data: str) -> bool:
        """Whether data of this name are for this source: a path, or minari:ID."""

    def open_data(self, given: GivenData, name: str) -> tuple[Any, Mapping[str, Any]]:
        """A problem, and its record for config.json: JSON values that tell all but the data itself.

        Args:
            given: the data, and what is said of it.
            name: of the task.

        Raises:
            AmplError: the data, the environment and what is said of them do not fit.
        """

    def recall(self, record: Mapping[str, Any], name: str) -> Any:
        """The problem of a record, without a look at samples or the environment.

        Raises:
            KeyError, TypeError, ValueError: it is no such record.
            InvalidFileError: the problem is that of a file, a finite MDP say, which is gone or has changed.
        """

    def in_units(self, problem: Any, actor: Actor) -> Actor:
        """A policy on such a problem with actions as its environment takes them."""


@runtime_checkable
class AlgorithmFactory(Protocol):
    """An algorithm for one kind of problem, as the command line sees it.

    It is announced in the entry-point group `ampl.algorithms` as KIND.NAME, such as finite.mopo or continuous.bc.
    A problem is below what `ProblemSource.load` gives.
    """

    @property
    def variants(self) -> Mapping[str, str]:
        """The variants, at least one, and what each is; the first is the default."""

    def default_epochs(self, problem: Any, variant: str) -> int:
        """Epochs of a full run, >= 1."""

    def settings(self, problem: Any, variant: str) -> Any:
        """Every setting of a variant on a problem, as published: a tree of frozen dataclasses, see `ampl.settings`."""

    def build(
        self,
        problem: Any,
        variant: str,
        seeds: Sequence[int],
        device: str,
        scale: Scale,
        arithmetic: Arithmetic,
    ) -> Algorithm:
        """The algorithm, ready for its first fit; its `name` is the NAME that it is announced by.

        The same arguments give the same `Algorithm.config()`, whatever the seeds, the device and the arithmetic.

        Args:
            problem: what it is trained on.
            variant: one of `variants`.
            seeds: each >= 0, no two equal.
            device: "auto", "cpu" or "cuda".
            scale: how much smaller than published, and `Scale.settings` to apply to `settings` first, with
                `ampl.settings.apply_settings`. An algorithm whose runs can be extended ignores its epochs.
            arithmetic: threads and precision. An algorithm that computes exactly ignores it.

        Raises:
            InvalidArgumentError: the device, the scale or the problem is not for this algorithm.
        """


@runtime_checkable
class GivesPolicies(Protocol):
    """An algorithm's factory that can take its policies out of runs, for `ampl.load_policy`."""

    def saved_policy(self, problem: Any, settings: Mapping[str, Any], state: State) -> tuple[tuple[int, ...], Actor]:
        """A policy as it is evaluated, without data and simulator.

        Args:
            problem: of the run.
            settings: likewise, as `Algorithm.config` gave them.
            state: of the seed, as `Algorithm.state` gave it.

        Returns:
            The shape of one observation, (D,), or () where it is the number of a state; and the policy.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError, InvalidShapeError: settings or state are of another version.
        """


@runtime_checkable
class GivesModules(Protocol):
    """A factory whose policies can be had as `torch.nn.Module`s, for `SavedPolicy.module`."""

    def policy_module(self, problem: Any, actor: Actor) -> Any:
        """The policy that `saved_policy` gave, in the problem's units, as a module; None: it has none."""


@runtime_checkable
class KnowsSources(Protocol):
    """A factory that knows which of its settings no source gives, for `ampl settings`."""

    def setting_notes(self, problem: Any, variant: str) -> Sequence[str]:
        """A line on them; a training has it among its notes."""


@runtime_checkable
class FilmsPolicies(Protocol):
    """A factory that shows its policies in a video, for `ampl evaluate --video`."""

    def film(self, problem: Any, actor: Actor, path: Path, seed: int) -> float:
        """Writes one episode of the policy that `saved_policy` gave to `path`, and returns its return.

        Raises:
            AmplError: there is nothing to see, the file cannot be written, or a package is missing.
        """
