"""`ampl verify`, the command of the exact wing. Heavy imports happen inside `run`: `ampl --help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.processes import available_cores

if TYPE_CHECKING:
    from ampl.claims import ClaimRecord
    from tabular.claims.families import CaseSpec
    from tabular.claims.runner import Tallies

_DEFAULT_FOLDER = Path("runs/verify")


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Checks every claim on random, adversarial and real finite MDPs; exits 1 if a verdict is not the expected one."""

    quick: bool = False
    """About 800 MDPs instead of about 21,000; under a minute."""
    json: Path | None = None
    """Write the records to this file, as a list of objects."""
    report: Path | None = None
    """Write records, table and worst cases into this folder (without it, worst cases go to runs/verify/cases)."""
    gallery: Path | None = None
    """Save and draw in this folder, for each claim that does not simply hold, the smallest MDP that contradicts it."""
    claims: tuple[str, ...] = ()
    """Only these claims."""
    mdp: str | None = None
    """Only this MDP: a toy-text environment's name or an .npz file with dynamics, reward, initial and discount."""
    cases: int | None = None
    """How many random MDPs (with --mdp: how many policies and models on it) to try."""
    seed: int = 0
    """Seed of all cases."""
    workers: int = 0
    """Processes; 0 takes every core this process may use."""
    replay: Path | None = None
    """Rerun one saved worst case and print both sides of its claim."""

    def run(self) -> int:
        """Runs the check; returns the exit code."""
        return self._replay(self.replay) if self.replay else self._check()

    def _check(self) -> int:
        from ampl.claims import check_claims_output, write_claims
        from ampl.files import check_output_folder
        from ampl.progress import progress
        from tabular.claims.gallery import check_gallery, write_gallery
        from tabular.claims.registry import select_claims
        from tabular.claims.report import check_report, print_gallery, print_table, summarize, write_report
        from tabular.claims.runner import case_paths, records, run_claims

        check_at_least("--seed", self.seed, 0)
        check_at_least("--workers", self.workers, 0, "0 takes every core.")
        claims = select_claims(self.claims)
        specs = self._specs()
        folder = self._case_folder()
        check_output_folder(folder)  # all that could not be written in the end is refused before the work starts
        case_paths(claims, folder)
        if self.json:
            check_claims_output(self.json)
        if self.report:
            check_report(self.report)
        if self.gallery:
            check_gallery(self.gallery, claims)
        workers = self.workers or available_cores()
        with progress("verify", len(specs)) as bar:
            tallies = run_claims(claims, specs, workers, bar.advance)
        found = records(claims, tallies, specs, folder)
        surprises = self._surprises(found, tallies)
        if self.json:  # before anything is printed: standard output may be closed
            write_claims(self.json, found)
        if self.report:
            write_report(self.report, found)
        print_table(found, surprises, title=f"{len(claims)} claims on {len(specs):,} MDPs, seed {self.seed}")
        reasons = {name: tally.reason for name, tally in tallies.items()}
        code = summarize(claims, found, surprises, reasons, folder)
        if self.gallery:
            print_gallery(self.gallery, write_gallery(self.gallery, found, tallies, specs, workers))
        return code

    def _surprises(self, found: list[ClaimRecord], tallies: Tallies) -> list[ClaimRecord]:
        """Records whose verdict is not the expected one; on a single MDP only those that a case contradicts.

        One MDP may never meet a condition, or never break a claim that needs one: neither contradicts anything.
        """
        if self.mdp is None:
            return [record for record in found if record.verdict != record.expected]
        return [record for record in found if tallies[record.claim].contradicts(record.expected)]

    def _specs(self) -> list[CaseSpec]:
        from tabular.claims.families import CaseSpec
        from tabular.claims.runner import case_specs
        from tabular.mdps.environments import ENVIRONMENTS

        if self.cases is not None:
            check_at_least("--cases", self.cases, 1, "A run without cases shows nothing.")
        if self.mdp is None:
            n_random, n_each, n_environment = (600, 60, 2) if self.quick else (20_000, 400, 12)
            return case_specs(self.cases or n_random, n_each, n_environment, self.seed)
        if self.mdp not in ENVIRONMENTS:
            if not self.mdp.endswith(".npz"):
                from ampl.errors import UnknownNameError

                raise UnknownNameError("environment", self.mdp, [*ENVIRONMENTS, "FILE.npz"])
            from tabular.mdps.mdp_files import load_mdp

            load_mdp(Path(self.mdp))  # a bad file is reported before any process starts
        count = self.cases or (20 if self.quick else 200)
        return [CaseSpec(family=self.mdp, index=index, seed=self.seed) for index in range(count)]

    def _case_folder(self) -> Path:
        folder = (self.report or _DEFAULT_FOLDER) / "cases"
        if folder.exists() and not folder.is_dir():
            raise InvalidArgumentError(f"{folder} is a file; expected a folder. Choose another --report.")
        return folder

    def _replay(self, path: Path) -> int:
        from tabular.claims.report import print_replay
        from tabular.claims.runner import replay

        claim, measurement, recorded = replay(path)
        return print_replay(path, claim, measurement, recorded)
