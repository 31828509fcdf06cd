"""What claims are tried on: cases of one kind, the specifications that name them, the source that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from ampl.claims.claim import Claim, Size
from ampl.entry_points import CASES, load


@dataclass(frozen=True, kw_only=True)
class CaseSpec:
    """The name of a case, from which its source rebuilds it bit for bit in any process.

    Attributes:
        family: where the case comes from: a generator of the source, an environment, a file.
        index: in the family.
        seed: of the run.
        kind: of the case: the name of its source.
        is_large: whether it takes a process so long that it is handed out alone.
    """

    family: str
    index: int
    seed: int
    kind: str = "finite"
    is_large: bool = False


class Case(Protocol):
    """A problem, a model of it, a policy and a behavior policy, and whatever else claims of one kind measure."""

    @property
    def family(self) -> str:
        """As in its specification."""

    @property
    def in_reward_units(self) -> Any:
        """This case with rewards divided by r_max: what claims are measured on, for they hold in any unit."""

    @property
    def size(self) -> Size:
        """What makes one counterexample simpler than another: less is better, first entries first."""

    @property
    def in_words(self) -> str:
        """Sizes and discount, for people."""


class CaseSource(Protocol):
    """Cases of one kind; announced in the entry-point group `ampl.cases` under the name of the kind."""

    @property
    def noun(self) -> str:
        """What its cases are, in the plural: "finite MDPs"."""

    @property
    def drawing(self) -> str | None:
        """The drawing (`ampl.drawings`) that shows a saved case; None if there is none."""

    def specs(self, *, seed: int, quick: bool, count: int | None) -> list[CaseSpec]:
        """The cases of a run; with a count so many random ones, and the adversarial ones besides."""

    def build(self, spec: CaseSpec) -> Case:
        """The case of a specification.  Raises AmplError where none can be made."""

    def shrink(self, claim: Claim, case: Any) -> Case:
        """A simpler case that contradicts the claim as clearly; the case itself where none is known."""

    def save(self, path: Path, case: Any, extra: Mapping[str, Any]) -> None:
        """Writes a case and some named values to .npz, atomically, so that it can be rerun."""

    def load(self, path: Path, required: tuple[str, ...] = ()) -> tuple[Case, dict[str, NDArray[Any]]]:
        """Reads a case back to the last digit, with every array of its file.

        Raises:
            AmplError: the file is no such case; the message begins with its name.
        """


def find_cases(kind: str) -> CaseSource:
    """The source of this kind of cases.

    Raises:
        UnknownNameError: nothing of that name is announced.
        BrokenEntryPointError: its import fails.
    """
    source: CaseSource = load(CASES, kind)
    return source
