"""Linear-Gaussian problems as a source of cases for `ampl verify`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ampl.claims.cases import CaseSpec
from ampl.claims.claim import Claim
from continuous.claims.case import Case, load_case, save_case
from continuous.claims.families import N_WIDE, build_case


class LinearGaussianCases:
    """Implements `ampl.claims.cases.CaseSource`."""

    noun = "linear-Gaussian problems"
    drawing = None

    def specs(self, *, seed: int, quick: bool, count: int | None) -> list[CaseSpec]:
        """Random problems and each adversarial family; `count` is of the random ones."""
        n_random, n_each = (120, 20) if quick else (2000, 250)
        families = [("drift", n_each), ("wide", N_WIDE), ("runaway", n_each), ("scalar", n_each), ("exact", n_each)]
        return [
            CaseSpec(family=name, index=index, seed=seed, kind="continuous")
            for name, number in [*families, ("random", count or n_random)]
            for index in range(number)
        ]

    def build(self, spec: CaseSpec) -> Case:
        """See `families.build_case`."""
        return build_case(spec)

    def shrink(self, claim: Claim, case: Case) -> Case:
        """The case itself: its size is what it is."""
        return case

    def save(self, path: Path, case: Case, extra: Mapping[str, Any]) -> None:
        """See `case.save_case`."""
        save_case(path, case, extra)

    def load(self, path: Path, required: tuple[str, ...] = ()) -> tuple[Case, dict[str, NDArray[Any]]]:
        """See `case.load_case`."""
        return load_case(path, required)


CASES = LinearGaussianCases()
