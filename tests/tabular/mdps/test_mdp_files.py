"""MDP files: what is saved is what is loaded, and nothing broken, foreign or pickled gets in or is overwritten."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from ampl.errors import (
    AmplError,
    ForeignFileError,
    InvalidDiscountError,
    InvalidDistributionError,
    InvalidFileError,
    InvalidRewardError,
    InvalidShapeError,
)
from tabular.mdps.generators import chain_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.mdp_files import load_mdp, load_mdp_with, mdp_arrays, mdp_from_arrays, save_mdp
from tests.strategies import mdps


def _assert_equal(first: FiniteMDP, second: FiniteMDP) -> None:
    assert first.is_sparse == second.is_sparse
    for name in ("reward", "initial"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.to_dense().dynamics, second.to_dense().dynamics)
    for name in ("discount", "reward_bound", "name"):
        assert getattr(first, name) == getattr(second, name)


def _arrays(**changes: Any) -> dict[str, Any]:
    return mdp_arrays(chain_mdp(3)) | changes


def _error(expected: type[AmplError], path: Path) -> str:
    with pytest.raises(expected) as caught:
        load_mdp(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@given(mdps())
def test_what_was_saved_is_loaded(mdp: FiniteMDP) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deeper" / "mdp.npz"
        save_mdp(path, mdp)
        _assert_equal(load_mdp(path), mdp)


@given(mdps())
def test_arrays_with_a_prefix_come_back_from_among_others(mdp: FiniteMDP) -> None:
    arrays = mdp_arrays(mdp, "worst_") | mdp_arrays(chain_mdp(4), "other_")
    _assert_equal(mdp_from_arrays(arrays, "case.npz", "worst_"), mdp)


def test_a_file_saved_by_numpy_alone_loads(tmp_path: Path) -> None:
    mdp = chain_mdp(3)
    path = tmp_path / "mine.npz"
    np.savez(path, dynamics=mdp.dynamics, reward=mdp.reward, initial=mdp.initial, discount=0.9)
    loaded = load_mdp(path)
    assert loaded.name == "mine"
    assert loaded.reward_bound == 1.0
    np.testing.assert_array_equal(loaded.dynamics, mdp.dynamics)


def test_saving_twice_replaces_our_own_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mdp.npz"
    save_mdp(path, chain_mdp(3))
    save_mdp(path, chain_mdp(5))
    assert load_mdp(path).n_states == 5
    assert [file.name for file in tmp_path.iterdir()] == ["mdp.npz"]


@pytest.mark.parametrize("content", [b"my thesis", json.dumps({"a": 1}).encode()])
def test_a_foreign_file_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mdp.npz"
    path.write_bytes(content)
    with pytest.raises(ForeignFileError, match="was not written by ampl"):
        save_mdp(path, chain_mdp(3))
    assert path.read_bytes() == content


def test_a_foreign_npz_and_a_folder_are_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mdp.npz"
    np.savez(path, mine=np.ones(3))
    with pytest.raises(ForeignFileError):
        save_mdp(path, chain_mdp(3))
    with pytest.raises(ForeignFileError, match="is a folder"):
        save_mdp(tmp_path, chain_mdp(3))


def test_a_missing_file_is_named_with_what_was_expected(tmp_path: Path) -> None:
    assert "a finite MDP: an .npz file with the arrays dynamics [S, A, S']" in _error(
        InvalidFileError, tmp_path / "nowhere.npz"
    )


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 almost", b"\x93NUMPY", b"\x80\x04N."])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mdp.npz"
    path.write_bytes(content)
    assert "cannot be read" in _error(InvalidFileError, path)


def test_a_folder_and_a_plain_array_are_refused(tmp_path: Path) -> None:
    _error(InvalidFileError, tmp_path)
    np.save(tmp_path / "array.npy", np.ones(3))
    _error(InvalidFileError, tmp_path / "array.npy")


def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "mdp.npz"
    save_mdp(path, chain_mdp(4))
    whole = path.read_bytes()
    for length in np.linspace(1, len(whole) - 1, 25).astype(int):
        path.write_bytes(whole[:length])
        _error(InvalidFileError, path)


def test_a_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    """Either the archive's checksum notices it, or the MDP read is the one saved."""
    path = tmp_path / "mdp.npz"
    save_mdp(path, chain_mdp(4))
    whole = path.read_bytes()
    messages = []
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            _assert_equal(load_mdp(path), chain_mdp(4))
        except AmplError as error:
            messages.append(str(error))
    assert not any("\n" in message for message in messages)
    assert len(messages) > 10


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mdp.npz"
    np.savez(path, **_arrays(reward=np.array([{"not": "numbers"}], dtype=object)))
    assert "cannot be read" in _error(InvalidFileError, path)


@pytest.mark.parametrize("name", ["reward", "initial", "discount"])
def test_a_missing_array_is_named(tmp_path: Path, name: str) -> None:
    arrays = _arrays()
    del arrays[name]
    np.savez(tmp_path / "mdp.npz", **arrays)
    assert f"lacks the array '{name}'" in _error(InvalidFileError, tmp_path / "mdp.npz")


@pytest.mark.parametrize("mdp", [chain_mdp(3), chain_mdp(3).to_sparse()])
def test_missing_dynamics_are_named(tmp_path: Path, mdp: FiniteMDP) -> None:
    arrays = mdp_arrays(mdp)
    del arrays["dynamics_indptr" if mdp.is_sparse else "dynamics"]
    np.savez(tmp_path / "mdp.npz", **arrays)
    assert "neither 'dynamics' nor" in _error(InvalidFileError, tmp_path / "mdp.npz")


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (InvalidDiscountError, {"discount": 1.0}),
        (InvalidRewardError, {"reward": np.full((3, 2), np.nan)}),
        (InvalidRewardError, {"reward_bound": 0.5}),
        (InvalidDistributionError, {"dynamics": np.ones((3, 2, 3))}),
        (InvalidShapeError, {"initial": np.ones(1)}),
        (InvalidFileError, {"discount": np.array("soon")}),
        (InvalidFileError, {"discount": np.array([0.5, 0.9])}),
        (InvalidFileError, {"reward": np.full((3, 2), "high")}),
    ],
)
def test_arrays_that_are_no_mdp_are_refused_with_the_name_of_the_file(
    tmp_path: Path, expected: type[AmplError], changes: dict[str, Any]
) -> None:
    np.savez(tmp_path / "mdp.npz", **_arrays(**changes))
    _error(expected, tmp_path / "mdp.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"dynamics_indices": np.full(6, 99)},
        {"dynamics_indices": np.full(6, -1)},
        {"dynamics_indptr": np.array([0, 6])},
        {"dynamics_indptr": np.array([0, 5, 2, 3, 4, 5, 6])},
        {"dynamics_data": np.ones(2)},
        {"dynamics_indices": np.full(6, 0.5)},
        {"initial": np.array(1.0)},
    ],
)
def test_sparse_parts_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    np.savez(tmp_path / "mdp.npz", **(mdp_arrays(chain_mdp(3).to_sparse()) | changes))
    _error(AmplError, tmp_path / "mdp.npz")


def test_paths_may_be_texts(tmp_path: Path) -> None:
    path = str(tmp_path / "chain.npz")
    save_mdp(path, chain_mdp(3))
    _assert_equal(load_mdp(path), chain_mdp(3))
    _assert_equal(load_mdp_with(path)[0], chain_mdp(3))
