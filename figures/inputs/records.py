"""Records as typed objects: what each figure reads, checked so that a wrong file is one line of error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import read_npz

Numbers = NDArray[np.float64]
Texts = NDArray[np.str_]
Shape = tuple[int | str, ...]  # a letter stands for a length that must be the same wherever it occurs

_REMEDY = "Delete the file and run the command again to compute it anew."


@dataclass(frozen=True, kw_only=True)
class Proposition2Record:
    """How fast the iteration of T reaches w*, on M MDPs, K iterations.

    Attributes:
        mdp: [M] names.
        policy: [2] names, the policy near the behavior policy first.
        norm: [3] names: L1(d_b), L2(d_b), sup.
        error: [M, 2, 3, K+1] norm of w_k - w*, no unit.
        factor: [M, 2, 3] operator norm of the linear part of T: the worst possible one-step factor.
        rate: [M, 2, 3, 3] factor an iteration that the tail of each curve shows, and the ends of its 95 % interval.
        discount: [M].
    """

    mdp: Texts
    policy: Texts
    norm: Texts
    error: Numbers
    factor: Numbers
    rate: Numbers
    discount: Numbers


@dataclass(frozen=True, kw_only=True)
class Theorem1Record:
    """The return gap and B bounds of it, on N MDPs.

    Attributes:
        family: [N] what kind of MDP.
        gap: [N] absolute difference of the normalized returns, in units of reward_bound per step.
        bound_name: [B] names.
        bound: [N, B] same unit as the gap; may be infinite.
        discount: [N].
    """

    family: Texts
    gap: Numbers
    bound_name: Texts
    bound: Numbers
    discount: Numbers


@dataclass(frozen=True, kw_only=True)
class Theorem1ConstantRecord:
    """The largest constant that Theorem 1 was seen to need, at G discounts.

    Attributes:
        discount: [G].
        ratio_signed: [G] largest return gap over discount / (1 - discount) * sqrt(D), rewards in [-1, 1].
        ratio_nonnegative: [G] the same for rewards in [0, 1].
    """

    discount: Numbers
    ratio_signed: Numbers
    ratio_nonnegative: Numbers


@dataclass(frozen=True, kw_only=True)
class Figure2TruthRecord:
    """E estimators of the weights at R retrainings, where the exact weights w* are known; M rows of the data.

    Attributes:
        estimator: [E] names.
        retraining: [R] 1 for the first.
        log_weights: [E, R, M] log of the estimated weights, which have mean one; -inf for a weight of zero.
        true_log_weights: [R, M] the exact ones at the same rows; -inf where the policy never goes.
        error_l1: [E, R] mean of abs(w - w*) over the data, no unit.
        return_error: [E, R] abs(mean of w r over the data - J), in reward units.
    """

    estimator: Texts
    retraining: Numbers
    log_weights: Numbers
    true_log_weights: Numbers
    error_l1: Numbers
    return_error: Numbers


def read_proposition2(path: Path) -> Proposition2Record:
    """Reads and checks the record of figure `proposition2`.  Raises InvalidFileError."""
    shapes: dict[str, Shape] = {
        "mdp": ("M",), "policy": (2,), "norm": (3,),
        "error": ("M", 2, 3, "K+1"), "factor": ("M", 2, 3), "rate": ("M", 2, 3, 3),
        "discount": ("M",),
    }  # fmt: skip
    return Proposition2Record(**read_arrays(path, "proposition2", shapes, texts={"mdp", "policy", "norm"}))


def read_theorem1(path: Path) -> Theorem1Record:
    """Reads and checks the record of figure `theorem1`.  Raises InvalidFileError."""
    shapes: dict[str, Shape] = {
        "family": ("N",), "gap": ("N",), "bound_name": ("B",), "bound": ("N", "B"), "discount": ("N",),
    }  # fmt: skip
    return Theorem1Record(**read_arrays(path, "theorem1", shapes, texts={"family", "bound_name"}, unbounded={"bound"}))


def read_theorem1_constant(path: Path) -> Theorem1ConstantRecord:
    """Reads and checks the record of figure `theorem1-constant`.  Raises InvalidFileError."""
    shapes: dict[str, Shape] = {"discount": ("G",), "ratio_signed": ("G",), "ratio_nonnegative": ("G",)}
    return Theorem1ConstantRecord(**read_arrays(path, "theorem1-constant", shapes))


def read_figure2_truth(path: Path) -> Figure2TruthRecord:
    """Reads and checks the record of figure `figure2-truth`.  Raises InvalidFileError."""
    shapes: dict[str, Shape] = {
        "estimator": ("E",), "retraining": ("R",), "log_weights": ("E", "R", "M"), "true_log_weights": ("R", "M"),
        "error_l1": ("E", "R"), "return_error": ("E", "R"),
    }  # fmt: skip
    logs = {"log_weights", "true_log_weights"}
    record = Figure2TruthRecord(**read_arrays(path, "figure2-truth", shapes, texts={"estimator"}, unbounded=logs))
    for name in sorted(logs):
        if np.isposinf(getattr(record, name)).any():
            raise InvalidFileError(f"{path}: array '{name}' holds +inf; expected logs of finite weights. {_REMEDY}")
    return record


def read_arrays(
    path: Path,
    figure: str,
    shapes: Mapping[str, Shape],
    texts: frozenset[str] | set[str] = frozenset(),
    unbounded: frozenset[str] | set[str] = frozenset(),
) -> dict[str, NDArray[Any]]:
    """The arrays named in `shapes`, of the right kind and shape; numbers as float64, infinite only in `unbounded`."""
    arrays = read_npz(path, f"the record of figure '{figure}'", shapes)
    lengths: dict[str, int] = {}
    for name, shape in shapes.items():
        _check_kind(path, name, arrays[name], "U" if name in texts else "fiu")
        _check_shape(path, name, arrays[name].shape, shape, lengths)
        if name not in texts:
            arrays[name] = arrays[name].astype(np.float64)
            if np.isnan(arrays[name]).any() or (name not in unbounded and np.isinf(arrays[name]).any()):
                raise InvalidFileError(f"{path}: array '{name}' holds values that are not finite. {_REMEDY}")
    return {name: arrays[name] for name in shapes}


def _check_kind(path: Path, name: str, array: NDArray[Any], kinds: str) -> None:
    """Raises InvalidFileError unless the array's dtype is of one of the kinds."""
    if array.dtype.kind not in kinds:
        expected = "text" if kinds == "U" else "numbers"
        raise InvalidFileError(f"{path}: array '{name}' has dtype {array.dtype}; expected {expected}. {_REMEDY}")


def _check_shape(path: Path, name: str, found: tuple[int, ...], expected: Shape, lengths: dict[str, int]) -> None:
    """Raises InvalidFileError unless `found` matches; `lengths` keeps what each letter stands for."""
    wrong = len(found) != len(expected) or 0 in found
    if not wrong:
        wanted = [lengths.setdefault(n, m) if isinstance(n, str) else n for n, m in zip(expected, found, strict=True)]
        wrong = list(found) != wanted
    if wrong:
        shape = ", ".join(f"{n} = {lengths[n]}" if n in lengths else str(n) for n in map(str, expected))
        raise InvalidFileError(f"{path}: array '{name}' has shape {list(found)}; expected [{shape}]. {_REMEDY}")
