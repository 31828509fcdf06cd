"""The tables of variants in the documents: `python -m ampl.variant_tables PAGE.md ...` writes them anew.

A table stands between two lines, the first of which names a kind of problem and an algorithm. What stands there is
replaced by the algorithm's variants:

    <!-- variants: continuous mopo -->
    <!-- variants: end -->
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ampl.catalog import find_algorithm
from ampl.errors import AmplError, InvalidFileError
from ampl.files import write_text
from ampl.markdown import as_code, sentence_as_markdown
from ampl.printing import one_line, print_note

TABLE = re.compile(
    r"^(?P<begin><!-- variants: (?P<kind>\S+) (?P<algorithm>\S+) -->\n).*?^(?P<end><!-- variants: end -->)$",
    flags=re.MULTILINE | re.DOTALL,
)


def with_tables(page: str) -> str:
    """A page with every table of variants as the installed algorithms have them.

    Raises:
        UnknownNameError: the page names an algorithm that is not installed.
    """
    return TABLE.sub(_replacement, page)


def variant_table(variants: Mapping[str, str]) -> str:
    """Names and sentences as a Markdown table."""
    rows = (f"| {as_code(name)} | {sentence_as_markdown(sentence)} |" for name, sentence in variants.items())
    return "\n".join(["| variant | is |", "|---|---|", *rows])


def _replacement(found: re.Match[str]) -> str:
    variants = find_algorithm(found["algorithm"], found["kind"]).variants
    return f"{found['begin']}{variant_table(variants)}\n{found['end']}"


def main(pages: Sequence[str]) -> int:
    """Writes the pages; returns the exit code, 2 for a bad page (with one line to standard error)."""
    try:
        for page in map(Path, pages):
            try:
                text = page.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidFileError(f"cannot read {page}: {error}.") from error
            write_text(page, with_tables(text))
    except AmplError as error:
        print_note(one_line(str(error)))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
