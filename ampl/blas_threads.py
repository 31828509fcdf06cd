"""One thread for numpy's matrix products, for as long as wanted.

OpenBLAS, which numpy's wheels bring, splits products of a few thousand multiplications already over all cores. For
layers of a policy that is slower than one thread, much slower on busy cores, and the last bits depend on the number.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

from ampl.shared_change import SharedChange

_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def _to_one() -> int | None:
    functions = _openblas()
    if functions is None:
        return None
    set_threads, get_threads = functions
    before: int = get_threads()
    set_threads(1)
    return before


def _back(before: int | None) -> None:
    functions = _openblas()
    if functions is not None and before is not None:
        functions[0](before)


_one_thread = SharedChange(_to_one, _back)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, numpy's products use one thread; nothing happens where numpy was built with another library."""
    with _one_thread.made():
        yield


@cache
def _openblas() -> tuple[Any, Any] | None:
    """OpenBLAS's functions to set and to get the number of threads, as numpy has loaded them."""
    try:
        module = import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(module.__file__)  # a search through it includes what it is linked to
    except (OSError, ImportError):
        return None
    setter = next((name for name in _SETTERS if hasattr(library, name)), None)
    return None if setter is None else (library[setter], library[setter.replace("_set_", "_get_")])
