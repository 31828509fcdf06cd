"""`ampl verify`: every claim that packages announce, on cases of its kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.processes import available_cores

if TYPE_CHECKING:
    from ampl.claims import ClaimRecord
    from ampl.claims.cases import CaseSpec
    from ampl.claims.claim import Claim
    from ampl.claims.runner import Tallies

_DEFAULT_FOLDER = Path("runs/verify")
_FINITE = "finite"  # the kind of cases that --mdp is about


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Checks every claim on finite MDPs or linear-Gaussian problems; exits 1 if a verdict is not the expected one."""

    quick: bool = False
    """About 800 MDPs and 200 linear-Gaussian problems instead of about 21,000 and 3,000; under a minute."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the records to this file, as a list of objects."""
    report: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Write records, table and worst cases into this folder (without it, worst cases go to runs/verify/cases)."""
    gallery: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Save in this folder, for each claim that does not simply hold, the smallest counterexample; MDPs are drawn."""
    claims: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")] = ()
    """Only these claims; a part of their names, like cql, lists those that have it."""
    claims_from: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Only the claims of this Python file, which it lists in CLAIMS; with --claims also others, by name."""
    mdp: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE")] = None
    """Only this MDP: a toy-text environment's name or an .npz file with dynamics, reward, initial and discount, and, if
    they are yours, policy, behavior and model (other dynamics); what it lacks is chosen in many ways."""
    cases: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """How many random cases of each kind (with --mdp: how many policies and models on it) to try."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Seed of all cases."""
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Processes; 0 takes every core this process may use."""
    replay: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Rerun one saved worst case and print both sides of its claim."""

    def run(self) -> int:
        """Runs the check; returns the exit code."""
        return self._replay(self.replay) if self.replay else self._check()

    def _check(self) -> int:
        from ampl.claims import check_claims_output, write_claims
        from ampl.claims.gallery import check_gallery, write_gallery
        from ampl.claims.report import check_report, print_gallery, print_table, summarize, write_report
        from ampl.claims.runner import case_paths, records, run_claims
        from ampl.files import check_output_folder
        from ampl.progress import progress

        check_at_least("--seed", self.seed, 0)
        check_at_least("--workers", self.workers, 0, "0 takes every core.")
        if self.cases is not None:
            check_at_least("--cases", self.cases, 1, "A run without cases shows nothing.")
        claims = self._claims()
        specs = self._specs(claim.kind for claim in claims)
        folder = self._case_folder()
        check_output_folder(folder, "Choose a folder you can write to: --report DIR.")  # as all below, before the work
        case_paths(claims, folder)
        if self.json:
            check_claims_output(self.json)
        if self.report:
            check_report(self.report)
        if self.gallery:
            check_gallery(self.gallery, claims)
        workers = self.workers or available_cores()
        with progress("verify", len(specs)) as bar:
            tallies = run_claims(claims, specs, workers, bar.advance, self.claims_from)
        found = records(claims, tallies, specs, folder)
        surprises = self._surprises(found, tallies)
        by_name = {claim.name: claim for claim in claims}
        if self.json:  # before anything is printed: standard output may be closed
            write_claims(self.json, found)
        if self.report:
            write_report(self.report, found, by_name)
        print_table(by_name, found, surprises, title=f"{self._tried(claims, specs)}, seed {self.seed}")
        code = summarize(by_name, found, surprises, tallies, folder, self.claims_from)
        if self.gallery:
            shown = write_gallery(self.gallery, claims, found, tallies, specs, workers, self.claims_from)
            print_gallery(self.gallery, shown)
        return code

    def _claims(self) -> tuple[Claim, ...]:
        """Those that are asked for; with --mdp only those on finite MDPs."""
        from ampl.claims.registry import find_claims, select_claims

        known = find_claims(self.claims_from)
        own = [name for name in known if name not in find_claims()]
        claims = select_claims(self.claims or own, known)
        if self.mdp is None:
            return claims
        for claim in claims if self.claims else ():
            if claim.kind != _FINITE:
                raise InvalidArgumentError(f"--mdp is a finite MDP; the claim '{claim.name}' is on {claim.kind} cases.")
        return tuple(claim for claim in claims if claim.kind == _FINITE)

    def _specs(self, kinds: Iterable[str]) -> list[CaseSpec]:
        """The cases of each kind that is needed, or those of --mdp."""
        from ampl.claims.cases import find_cases
        from ampl.entry_points import CASES, load

        if self.mdp is not None:
            found: list[CaseSpec] = load(CASES, _FINITE).specs_on(
                self.mdp, seed=self.seed, quick=self.quick, count=self.cases
            )
            return found
        sources = [find_cases(kind) for kind in dict.fromkeys(kinds)]
        return [spec for source in sources for spec in source.specs(seed=self.seed, quick=self.quick, count=self.cases)]

    def _tried(self, claims: Sequence[Claim], specs: Sequence[CaseSpec]) -> str:
        """How many claims and cases of each kind there are, in words."""
        from ampl.claims.cases import find_cases

        parts = []
        for kind in dict.fromkeys(claim.kind for claim in claims):
            n_claims, n_cases = (sum(each.kind == kind for each in all_kinds) for all_kinds in (claims, specs))
            noun = "claim" if n_claims == 1 else "claims"
            parts.append(f"{n_claims} {noun} on {n_cases:,} {find_cases(kind).noun}")
        return " and ".join(parts)

    def _surprises(self, found: list[ClaimRecord], tallies: Tallies) -> list[ClaimRecord]:
        """Records whose verdict is not the expected one; on a single MDP only those that a case contradicts.

        One MDP may never meet a condition, or never break a claim that needs one: neither contradicts anything.
        """
        if self.mdp is None:
            return [record for record in found if record.verdict != record.expected]
        return [record for record in found if tallies[record.claim].contradicts(record.expected)]

    def _case_folder(self) -> Path:
        folder = (self.report or _DEFAULT_FOLDER) / "cases"
        if folder.exists() and not folder.is_dir():
            raise InvalidArgumentError(f"{folder} is a file; expected a folder. Choose another --report.")
        return folder

    def _replay(self, path: Path) -> int:
        from ampl.claims.registry import find_claims
        from ampl.claims.report import print_replay
        from ampl.claims.runner import replay

        claim, measurement, recorded = replay(path, find_claims(self.claims_from))
        return print_replay(path, claim, measurement, recorded)
