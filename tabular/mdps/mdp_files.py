"""Finite MDPs in .npz files: plain arrays, nothing pickled.

Dense files hold `dynamics` [S, A, S'], `reward` [S, A], `initial` [S] and `discount`; sparse files hold the CSR arrays
`dynamics_data`, `dynamics_indices`, `dynamics_indptr` instead of `dynamics`. `reward_bound` and `name` are optional, so
a file that a user saved with numpy.savez loads as well. Beside them may stand `policy` [S, A], `behavior` [S, A] and
`model` [S, A, S'], other dynamics; `load_mdp_with` reads them, too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ampl.errors import AbsoluteContinuityError, AmplError, InvalidFileError
from ampl.files import check_replaceable, read_npz, write_npz
from ampl.real_numbers import is_real
from tabular.mdps.mdp import FiniteMDP

logger = logging.getLogger(__name__)

_REQUIRED = ("reward", "initial", "discount")
_LAYOUT = "dynamics [S, A, S'], reward [S, A], initial [S] and discount"
_SPARSE_PARTS = ("data", "indices", "indptr")
OPTIONAL_ARRAYS = ("dynamics", *(f"dynamics_{part}" for part in _SPARSE_PARTS), "reward_bound", "name")
BESIDE = ("policy", "behavior", "model")


def save_mdp(path: Path | str, mdp: FiniteMDP) -> None:
    """Writes an MDP atomically; a foreign file at `path` is never replaced.

    Raises:
        ForeignFileError: `path` holds something that this program did not write.
    """
    path = Path(path)
    check_replaceable(path)
    write_npz(path, mdp_arrays(mdp))


def load_mdp(path: Path | str) -> FiniteMDP:
    """Reads and checks an MDP file.

    Raises:
        InvalidFileError: unreadable, foreign, or lacking arrays.
        AmplError: the arrays are not an MDP; the message starts with the file's name.
    """
    path = Path(path)
    return mdp_from_arrays(read_npz(path, "a finite MDP", _REQUIRED, OPTIONAL_ARRAYS, _LAYOUT), str(path))


def load_mdp_with(path: Path | str) -> tuple[FiniteMDP, Mapping[str, NDArray[np.float64]]]:
    """An MDP file as `load_mdp` reads it, with those of `policy`, `behavior` and `model` that it has.

    Raises:
        InvalidFileError: unreadable, foreign, or lacking arrays.
        AmplError: the arrays are not an MDP, or not of its sizes, or rows do not sum to one, or the policy takes an
            action that the behavior policy never takes; the message starts with the file's name.
    """
    path = Path(path)
    arrays = read_npz(path, "a finite MDP", _REQUIRED, (*OPTIONAL_ARRAYS, *BESIDE), _LAYOUT)
    mdp = mdp_from_arrays({key: array for key, array in arrays.items() if key not in BESIDE}, str(path))
    given = {key: array for key, array in arrays.items() if key in BESIDE}
    with np.load(path) as archive:
        unused = sorted(set(archive.files) - {*_REQUIRED, *OPTIONAL_ARRAYS, *BESIDE})
    if unused:
        logger.warning("%s: not used: %s; known are %s", path, ", ".join(unused), ", ".join(BESIDE))
    found: dict[str, NDArray[np.float64]] = {}
    for key, array in given.items():
        check_real(str(path), key, array)
        try:
            if key == "model":
                mdp.with_dynamics(array)
                found[key] = array.astype(np.float64)
            else:
                found[key] = mdp.check_policy(array)
        except AmplError as error:
            raise type(error)(f"{path}, array '{key}': {error}") from error
    if "policy" in found and "behavior" in found:
        uncovered = (found["policy"] > 0.0) & (found["behavior"] <= 0.0)
        if uncovered.any():
            state, action = np.argwhere(uncovered)[0]
            raise AbsoluteContinuityError(
                f"{path}: in state {state} 'policy' takes action {action} and 'behavior' never does. "
                "Give every action of the policy some probability there."
            )
    return mdp, found


def mdp_arrays(mdp: FiniteMDP, prefix: str = "") -> dict[str, NDArray[Any]]:
    """The arrays of an MDP under the names of this module's docstring, each with a prefix."""
    arrays: dict[str, Any] = {
        "reward": mdp.reward,
        "initial": mdp.initial,
        "discount": np.float64(mdp.discount),
        "reward_bound": np.float64(mdp.reward_bound),
        "name": np.array(mdp.name),
    }
    if mdp.is_sparse:
        arrays |= {f"dynamics_{part}": getattr(mdp.dynamics, part) for part in _SPARSE_PARTS}
    else:
        arrays["dynamics"] = mdp.dynamics
    return {prefix + key: value for key, value in arrays.items()}


def mdp_from_arrays(arrays: Mapping[str, NDArray[Any]], source: str, prefix: str = "") -> FiniteMDP:
    """The inverse of `mdp_arrays`; `source` (a file name) is put in front of every message."""
    found = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    for key in found.keys() - {"name"}:
        check_real(source, prefix + key, found[key])
    for key in found.keys() & {"discount", "reward_bound"}:
        if found[key].shape:
            raise InvalidFileError(
                f"{source}: array '{prefix + key}' has shape {found[key].shape}; expected one number."
            )
    try:
        return FiniteMDP(
            _dynamics(found, source),
            found["reward"],
            found["initial"],
            float(found["discount"]),
            reward_bound=float(found["reward_bound"]) if "reward_bound" in found else None,
            name=str(found.get("name", Path(source).stem)),
        )
    except InvalidFileError:
        raise
    except AmplError as error:
        raise type(error)(f"{source}: {error}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidFileError(f"{source} does not hold a finite MDP: {error}.") from error


def check_real(source: str, name: str, array: NDArray[Any]) -> None:
    """Raises InvalidFileError unless an array holds real numbers, which complex ones, texts and dates are not."""
    if not is_real(array):
        raise InvalidFileError(f"{source}: array '{name}' has dtype {array.dtype}; expected real numbers.")


def _dynamics(found: Mapping[str, NDArray[Any]], source: str) -> Any:
    if "dynamics" in found:
        return found["dynamics"]
    missing = [f"dynamics_{part}" for part in _SPARSE_PARTS if f"dynamics_{part}" not in found]
    if missing:
        raise InvalidFileError(
            f"{source} has neither 'dynamics' nor '{missing[0]}'. Save dense dynamics [S, A, S'] or three CSR arrays."
        )
    if any(found[f"dynamics_{part}"].dtype.kind not in "iu" for part in ("indices", "indptr")):
        raise InvalidFileError(f"{source} has 'dynamics_indices' or 'dynamics_indptr' that are not integers.")
    n_states = len(found["initial"])
    parts = tuple(found[f"dynamics_{part}"] for part in _SPARSE_PARTS)
    rows = sparse.csr_array(parts, shape=(found["reward"].size, n_states))
    rows.check_format(full_check=True)
    return rows
