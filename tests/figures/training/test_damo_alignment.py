"""Figure `damo-alignment` draws the samples of runs and measures how far they are apart; what is missing is named."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import write_npz
from figures.drawing.point_clouds import energy_coefficient, fit_plane
from figures.inputs.samples import read_samples
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, words
from tests.figures.training.damo_runs import HOPPER, WALKER2D, samples, write_damo_run

NAME = "damo-alignment"
SHIFTS = {"no-er": (1.0, 0.8), "no-ir": (0.4, 0.7), "main": (0.05, 0.1)}


def write_runs(out: Path, variants: tuple[str, ...] = tuple(SHIFTS), seeds: tuple[int, ...] = (0,)) -> None:
    for variant in variants:
        for seed in seeds:
            write_damo_run(out, HOPPER, variant, seed, samples=samples(*SHIFTS[variant], seed=seed))


def standardized(kinds: tuple[str, str], whats: tuple[str, ...]) -> list[list[NDArray[np.float64]]]:
    """The two sets of each variant, as the figure compares them."""
    rows = [samples(*shifts) for shifts in SHIFTS.values()]
    clouds = [[np.hstack([row[f"{kind}_{what}"] for what in whats]).astype(float) for kind in kinds] for row in rows]
    plane = fit_plane([cloud for pair in clouds for cloud in pair])
    return [[plane.standardize(cloud) for cloud in pair] for pair in clouds]


def test_each_panel_has_the_coefficient_of_its_files(tmp_path: Path) -> None:
    write_runs(tmp_path)
    figure = draw(NAME, tmp_path)
    columns = [(("offline", "synthetic"), ("state", "action")), (("real", "model"), ("state",))]
    for place, (kinds, whats) in enumerate(columns):
        for row, (one, other) in enumerate(standardized(kinds, whats)):
            found = [text.get_text() for text in figure.axes[2 * row + place].texts]
            assert f"energy coefficient {energy_coefficient(one, other):.3f} (seed 0)" in found
    titles = [axes.get_title(loc="left").split(":")[0] for axes in figure.axes]
    assert titles == ["w/o er", "w/o er", "w/o ir", "w/o ir", "DAMO", "DAMO"]


def test_what_noise_alone_could_set_apart_is_called_alike(tmp_path: Path) -> None:
    for variant, shift in (("no-er", 1.0), ("no-ir", 0.0), ("main", 0.0)):
        write_damo_run(tmp_path, HOPPER, variant, 0, samples=samples(shift, 0.0, seed=len(variant)))
    figure = draw(NAME, tmp_path)
    assert "Closest to the data: w/o ir and DAMO alike; to the truth: no variant stands out" in words(figure)
    check_text_is_readable(figure)


def test_every_point_is_drawn_in_the_plane_that_a_column_shares(tmp_path: Path) -> None:
    write_runs(tmp_path)
    figure = draw(NAME, tmp_path)
    rows = [read_samples(tmp_path / HOPPER / "damo" / name / "seed0" / "samples.npz") for name in SHIFTS]
    plane = fit_plane([cloud for row in rows for cloud in (row.real_state, row.model_state)])
    for row, axes in zip(rows, figure.axes[1::2], strict=True):
        points = np.concatenate([np.asarray(each.get_offsets()) for each in axes.collections])
        expected = plane.project(np.concatenate([row.real_state, row.model_state]))
        np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0), atol=1e-9)


def test_it_says_who_is_closest_and_how_the_runs_came_about(tmp_path: Path) -> None:
    write_runs(tmp_path, seeds=(0, 3))
    found = words(draw(NAME, tmp_path))
    assert "Closest to the data and to the truth: DAMO" in found
    assert "alike" not in found
    assert f"{HOPPER}: data re-created; steps 3,000 (scaled); seeds of" in found
    assert "DAMO: 0, 3" in found
    assert "device cpu; commit 0123456" in found
    assert found.count("over 2 seeds") == 6
    shifts = {"no-er": (0.0, 2.0), "no-ir": (2.0, 0.0), "main": (1.0, 1.0)}
    for variant, shift in shifts.items():
        write_damo_run(tmp_path / "other", WALKER2D, variant, samples=samples(*shift))
    assert "Closest to the data: w/o er; to the truth: w/o ir" in words(draw(NAME, tmp_path / "other"))


def test_a_variant_without_samples_has_no_panel_but_the_command_that_makes_some(tmp_path: Path) -> None:
    write_runs(tmp_path, ("main", "no-er"))
    for has_a_run in (False, True):
        if has_a_run:
            write_damo_run(tmp_path, HOPPER, "no-ir")
        figure = draw(NAME, tmp_path)
        found = words(figure)
        assert f"w/o ir: no samples; they come from ampl train damo {HOPPER} --variant no-ir" in found
        assert ": DAMO (of 2 variants)" in found
        assert all(axes.collections for axes in figure.axes)
        assert len(figure.axes) == 4


def test_one_variant_alone_is_not_called_the_closest(tmp_path: Path) -> None:
    write_runs(tmp_path, ("no-ir",))
    assert "Samples of one variant only, w/o ir" in words(draw(NAME, tmp_path))


def test_the_task_with_most_variants_is_drawn(tmp_path: Path) -> None:
    write_damo_run(tmp_path, "ant", "main", samples=samples(states=4))
    write_runs(tmp_path)
    assert f"{HOPPER}: data" in words(draw(NAME, tmp_path))
    for variant in ("no-er", "no-ir"):
        write_damo_run(tmp_path, "ant", variant, samples=samples(states=4))
    assert "ant: data" in words(draw(NAME, tmp_path))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (
            {"real_state": np.full((3, 11), np.nan, np.float32), "real_action": np.zeros((3, 3), np.float32)},
            "real_state",
        ),
        ({"synthetic_action": np.zeros((5, 3), np.float32)}, "synthetic_action"),
        ({"offline_action": np.zeros((300, 2), np.float32)}, "synthetic_action"),
        ({"offline_state": np.zeros((0, 11), np.float32)}, "offline_state"),
        ({"real_action": np.zeros(301, np.float32)}, "real_action"),
        ({"real_state": np.zeros((302, 11), np.int64)}, "real_state"),
    ],
)
def test_damaged_samples_are_one_line_and_left_out(
    changed: dict[str, NDArray[np.float32]], named: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_runs(tmp_path, ("no-er",), seeds=(0, 1))
    damaged = tmp_path / HOPPER / "damo" / "no-er" / "seed0"
    write_npz(damaged / "samples.npz", samples() | changed)
    with caplog.at_level(logging.WARNING):
        found = words(draw(NAME, tmp_path))
    (record,) = caplog.records
    assert str(damaged) in record.getMessage()
    assert f"'{named}'" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert "seeds of w/o er: 1;" in found


def test_a_file_that_is_no_archive_or_of_another_size_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_runs(tmp_path, ("main",))
    path = write_damo_run(tmp_path, HOPPER, "no-er")
    (path / "samples.npz").write_bytes(b"PK\x03\x04 torn")
    write_damo_run(tmp_path, HOPPER, "no-ir", samples=samples(states=12))
    with caplog.at_level(logging.WARNING):
        assert "Samples of one variant only, DAMO" in words(draw(NAME, tmp_path))
    first, second = (record.getMessage() for record in caplog.records)
    assert "cannot be read as .npz" in first
    assert "have 12 numbers a state and 3 an action; other runs of the task have 11 and 3" in second


def test_runs_without_samples_are_one_line_that_says_what_makes_some(tmp_path: Path) -> None:
    write_damo_run(tmp_path)
    with pytest.raises(InvalidFileError, match=r"1 runs of DAMO .* no samples.npz .*`ampl train damo .*` makes one"):
        draw(NAME, tmp_path)


def test_samples_of_another_variant_are_not_denied(tmp_path: Path) -> None:
    write_damo_run(tmp_path, variant="inconsistent", samples=samples())
    with pytest.raises(InvalidFileError, match=r"no run of DAMO \(variant no-er, no-ir or main\) below .* has a sam"):
        draw(NAME, tmp_path)


def test_the_text_of_several_seeds_and_of_one_variant_is_readable(tmp_path: Path) -> None:
    write_runs(tmp_path, seeds=(0, 1, 2))
    check_text_is_readable(draw(NAME, tmp_path))
    write_runs(tmp_path / "fewer", ("main",))
    check_text_is_readable(draw(NAME, tmp_path / "fewer"))
