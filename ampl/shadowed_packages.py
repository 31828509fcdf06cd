"""Whether Python finds our packages, and those we need, or files of the user's that have the same names."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ampl.errors import ShadowedPackageError

_HOME = Path(__file__).resolve().parents[1]  # the folder of our four packages
_OURS = ("ampl", "tabular", "continuous", "figures")
_NEEDED = ("numpy", "scipy", "torch", "gymnasium", "mujoco", "h5py", "matplotlib", "tyro", "rich", "safetensors")


@cache
def check_not_shadowed() -> None:
    """Looks, without importing anything, where each package would be imported from.

    Raises:
        ShadowedPackageError: a file such as `tabular.py` or `torch.py` in the current folder, or in another one that
            Python searches first, would be run in place of a package.
    """
    for name in (*_OURS, *_NEEDED):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        found = Path(spec.origin).resolve()
        is_file = spec.submodule_search_locations is None  # each of them is a folder
        if is_file or (name in _OURS and found.parent != _HOME / name):
            meant = f"our package '{name}' in {_HOME}" if name in _OURS else f"the package '{name}'"
            raise ShadowedPackageError(
                f"{found if is_file else found.parent} would be run in place of {meant}. Rename it, or call ampl from "
                "another folder."
            )
