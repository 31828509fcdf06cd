"""The command `ampl report`. Importing it loads neither numpy nor matplotlib, so that `ampl --help` stays quick."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ampl.errors import InvalidArgumentError

_SUFFIX = ".html"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Writes one page with the claims, tables and figures that a folder of runs holds, beside the papers' numbers."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """folder of runs, as after --runs of `ampl figure`; records are read from DIR/records, claims from DIR/claims.json
    or DIR/verify.json or DIR/verify; nothing is computed or trained"""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE.html")]
    """file to write; it holds its pictures and needs nothing else"""

    def run(self) -> int:
        """Writes the page and prints its path; raises AmplError, before drawing where it can."""
        from ampl.files import check_output, write_text
        from ampl.printing import print_line
        from ampl.progress import progress
        from figures.registry import FIGURES
        from figures.report.contents import collect
        from figures.report.page import page

        if self.out.suffix.lower() != _SUFFIX:
            raise InvalidArgumentError(f"--out is {self.out}; expected a name that ends in {_SUFFIX}.")
        check_output(self.out)
        with progress("report", len(FIGURES)) as bar:
            contents = collect(self.folder, bar.advance)
        write_text(self.out, page(contents))
        print_line(str(self.out))
        if contents.left_out:
            logger.info("left out, as the page's last section says: %s", ", ".join(contents.left_out))
        return 0
