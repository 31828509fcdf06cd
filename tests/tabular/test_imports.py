"""The exact wing stands alone: importing all of it loads neither torch nor matplotlib nor another wing."""

from __future__ import annotations

import subprocess
import sys

_IMPORT_ALL = """
import importlib, pkgutil, sys
import tabular
for module in pkgutil.walk_packages(tabular.__path__, "tabular."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
unwanted = {"torch", "matplotlib", "gymnasium", "continuous", "figures"}
print(*sorted(unwanted & set(sys.modules)))
print(sum(name.startswith("tabular.") for name in sys.modules))
"""


def test_importing_every_tabular_module_in_a_fresh_interpreter_loads_no_heavy_package() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded, count = done.stdout.split("\n")[:2]
    assert loaded == ""
    assert int(count) >= 14
