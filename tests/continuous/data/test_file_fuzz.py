"""Damaged files: every mutation of a valid file is either refused with an AmplError, or changes nothing that is used.

Bytes: flips, overwritten and cut-out stretches, truncations. Content: keys dropped, renamed, retyped, reshaped, numbers
made wrong, flags as floats, the wrong task. Each batch runs in a process of its own, since a crash of the HDF5 library
would take the test with it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.continuous.data.file_mutations import KINDS

ROOT = Path(__file__).resolve().parents[3]


def run_batch(kinds: list[str], count: int, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.continuous.data.file_mutations", str(count), str(folder), *kinds]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"
    lines = dict(line.split(": ") for line in done.stdout.splitlines())
    assert list(lines) == kinds
    for kind, line in lines.items():
        assert line.split()[:2] == ["mutations", str(count)]
        refused = int(line.split()[3])
        assert refused == 0 if kind == "allowed" else refused > count // 3, kind  # the mutations do damage


def test_a_mutated_file_is_refused_or_read_unchanged(tmp_path: Path) -> None:
    run_batch(list(KINDS), 60, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_thousands_of_mutated_files_are_refused_or_read_unchanged(kind: str, tmp_path: Path) -> None:
    run_batch([kind], 400, tmp_path)
