"""`ampl demo`: the main job, small, end to end, in minutes on two cores."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ampl.errors import InvalidArgumentError

_FIGURES = {"learning": "lqr-learning", "d4rl": "figure2"}  # by demo: drawn from what it trained
_ON_REQUEST = ("d4rl",)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Checks every claim quickly, lets MOPO, DAMO and AMPL learn a problem whose optimum is known, and draws that."""

    out: Path = Path("runs/demo")
    """Folder for everything; what an earlier demo left there is replaced, other files are not."""
    d4rl: bool = False
    """Also re-create a small maze2d dataset, score its reference policies, and train AMPL on it a little."""

    def run(self) -> int:
        """Runs the demo; the exit code is that of `ampl verify --quick`."""
        from ampl.entry_points import COMMANDS, DEMOS, load, load_all

        if self.out.exists() and not self.out.is_dir():
            raise InvalidArgumentError(f"--out {self.out} is a file; expected a folder.")
        started = time.monotonic()
        code: int = load(COMMANDS, "verify")(quick=True, report=self.out).run()
        demos = {name: demo for name, demo in load_all(DEMOS).items() if self.d4rl or name not in _ON_REQUEST}
        rows = [row for demo in demos.values() for row in demo(self.out)]
        pictures = [_FIGURES[name] for name in demos if name in _FIGURES]
        for name in pictures:
            load(COMMANDS, "figure")(name=name, runs=self.out).run()
        self._close(rows, pictures, time.monotonic() - started)
        return code

    def _close(self, rows: Sequence[tuple[str, str]], pictures: Sequence[str], seconds: float) -> None:
        """The closing table: verdicts, pictures, and what each demo reports."""
        from rich.table import Table

        from ampl.claims import Verdict, read_claims
        from ampl.printing import WIDE, literal_console

        records = read_claims(self.out / "claims.json")
        counts = Counter(record.verdict for record in records)
        notable = {
            verdict: ", ".join(record.claim for record in records if record.verdict == verdict)
            for verdict in (Verdict.HOLDS_WITH_CONDITION, Verdict.FAILS_AS_PRINTED)
        }
        table = Table(title=f"What was found, in {seconds:.0f} s", title_justify="left", show_header=False)
        table.add_row("claims that hold", str(counts[Verdict.HOLDS]))
        for verdict, names in notable.items():
            table.add_row(f"that {verdict.replace('holds', 'hold').replace('fails', 'fail')}", names)
        table.add_row("all claims", str(self.out / "claims.md"))
        table.add_row("counterexamples", str(self.out / "cases" / "<claim>.npz"))
        for name in pictures:
            table.add_row(f"picture: {name}", str(self.out / "figures" / f"{name}.png"))
        for what, outcome in rows:
            table.add_row(what, outcome)
        literal_console(WIDE).print(table)
