"""A file of the user's that has the name of a package is never run in its place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def ampl_in(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder, which it searches before the one of our packages."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *options], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["tabular.py", "figures.py", "continuous/__init__.py", "torch.py"])
def test_a_file_with_the_name_of_a_package_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("print('run in place of ours')\n")
    for arguments in (["-m", "ampl", "--help"], ["-m", "ampl", "figure", "theorem1"]):
        done = ampl_in(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        shadow, package = (path, path.stem) if path.stem != "__init__" else (path.parent, path.parent.name)
        assert line.startswith(f"ampl: error: {shadow} would be run in place of ")
        assert f"package '{package}'" in line


def test_other_files_and_folders_of_these_names_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()  # as a folder of pictures, which Python takes for no package
    (tmp_path / "figures" / "tabular.py").write_text("1 / 0\n")
    assert ampl_in(tmp_path, "-m", "ampl", "--help").returncode == 0
