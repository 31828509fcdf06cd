"""Finite MDPs as a source of cases for `ampl verify`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ampl.claims.cases import CaseSpec
from ampl.claims.claim import Claim
from ampl.errors import UnknownNameError
from tabular.claims.case import Case, load_case, save_case
from tabular.claims.families import build_case
from tabular.claims.shrinking import shrink
from tabular.mdps.environments import ENVIRONMENTS
from tabular.mdps.mdp_files import BESIDE, load_mdp_with


class FiniteCases:
    """Implements `ampl.claims.cases.CaseSource`."""

    noun = "finite MDPs"
    drawing = "counterexample"

    def specs(self, *, seed: int, quick: bool, count: int | None) -> list[CaseSpec]:
        """Random cases, each adversarial family, and each toy-text environment; `count` is of the random ones."""
        n_random, n_each, n_environment = (600, 60, 2) if quick else (20_000, 400, 12)
        return case_specs(count or n_random, n_each, n_environment, seed)

    def specs_on(self, mdp: str, *, seed: int, quick: bool, count: int | None) -> list[CaseSpec]:
        """Policies and models on one MDP.

        Args:
            mdp: a toy-text environment's name, or an .npz file.
            seed: of all of them.
            quick: whether 20 instead of 200.
            count: another number of them; 1 where the file has a policy, a behavior policy and a model.

        Raises:
            UnknownNameError: neither an environment nor a file.
            InvalidFileError: a file that is no MDP.
        """
        if mdp not in ENVIRONMENTS:
            if not mdp.endswith(".npz"):
                raise UnknownNameError("environment", mdp, [*ENVIRONMENTS, "FILE.npz"])
            _, beside = load_mdp_with(Path(mdp))  # a bad file is reported before any process starts
            if set(beside) == set(BESIDE):  # nothing is left to choose
                count = count or 1
        return [
            CaseSpec(family=mdp, index=index, seed=seed, is_large=True)
            for index in range(count or (20 if quick else 200))
        ]

    def build(self, spec: CaseSpec) -> Case:
        """See `families.build_case`."""
        return build_case(spec)

    def shrink(self, claim: Claim, case: Case) -> Case:
        """See `shrinking.shrink`."""
        return shrink(claim, case)

    def save(self, path: Path, case: Case, extra: Mapping[str, Any]) -> None:
        """See `case.save_case`."""
        save_case(path, case, extra)

    def load(self, path: Path, required: tuple[str, ...] = ()) -> tuple[Case, dict[str, NDArray[Any]]]:
        """See `case.load_case`."""
        return load_case(path, required)


def case_specs(n_random: int, n_each: int, n_environment: int, seed: int) -> list[CaseSpec]:
    """Specifications of random cases, of each adversarial family, and of each toy-text environment."""
    environments = [("taxi", max(1, n_environment // 4))]
    environments += [(name, n_environment) for name in ENVIRONMENTS if name != "taxi"]
    generated = [("fork", n_each), ("detour", n_each), ("chain", n_each), ("grid", max(1, n_each // 4))]
    families = [*environments, *generated, ("random", n_random)]
    return [
        CaseSpec(family=name, index=index, seed=seed, is_large=name in ENVIRONMENTS)
        for name, count in families
        for index in range(count)
    ]


CASES = FiniteCases()
