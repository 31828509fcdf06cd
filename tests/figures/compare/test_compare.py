"""`ampl compare`: which runs make a row, what a row says, and that nothing is left out unnamed."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from ampl.errors import AmplError, ForeignFileError, InvalidArgumentError, InvalidFileError, UnknownNameError
from figures.compare.command import Compare
from figures.compare.picture import draw
from figures.compare.results import Comparison, compare
from figures.compare.tables import tables
from figures.drawing.style import look
from figures.inputs.runs import find_nested_runs
from figures.inputs.table import Table
from figures.training.method_tables import table1
from tests.figures.drawing.drawn_text import check_text_is_readable, texts
from tests.figures.inputs.synthetic_runs import SETTINGS, UMAZE, WALKER, write_run

RECENT, LAST = 0, 1  # tables of single tasks, where none is over tasks


def compared(*folders: Path, against: str = "") -> Comparison:
    return compare(find_nested_runs(folders), against)


def cells(table: Table, column: str) -> list[str]:
    return [row[table.columns.index(column)] for row in table.rows]


def add_to_config(path: Path, added: Mapping[str, Any]) -> None:
    """Puts more keys into the config.json of a run."""
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | dict(added)))


def write_returns(folder: Path, task: str, returns: Sequence[float], *, exact: bool, seed: int = 0) -> None:
    """A run that reports no score."""
    spread = {} if exact else {"evaluation/return_spread": 1.0}
    rows = [{"epoch": n, "evaluation/return_mean": value} | spread for n, value in enumerate(returns, start=1)]
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    (write_run(folder, task, seed=seed, score=[]) / "metrics.csv").write_text("\n".join([*lines, ""]))


def test_a_row_has_every_seed_its_mean_and_the_interquartile_mean_of_both_kinds_of_policies(tmp_path: Path) -> None:
    for seed, level in enumerate((10.0, 20.0, 30.0, 100.0)):
        write_run(tmp_path, seed=seed, score=[0.0] * 5 + [level] * 9 + [level + 10.0])
    recent, last = tables(compared(tmp_path))
    assert recent.title == "Mean of the last 10 evaluations"
    assert cells(recent, "each seed") == ["0: 11.0, 1: 21.0, 2: 31.0, 3: 101.0"]
    assert cells(last, "each seed") == ["0: 20.0, 1: 30.0, 2: 40.0, 3: 110.0"]
    assert cells(recent, "mean") == [row[-1] for row in table1(tmp_path).rows if row[1] == "ours"] == ["41.0 ± 40.8"]
    assert cells(recent, "interquartile mean")[0].startswith("26.0 [")
    assert cells(last, "interquartile mean")[0].startswith("35.0 [")


def test_other_settings_are_rows_of_their_own_named_by_what_differs(tmp_path: Path) -> None:
    longer = {**SETTINGS, "schedule": {**SETTINGS["schedule"], "epochs": 80}}
    for seed in (0, 1):
        write_run(tmp_path, seed=seed)
    write_run(tmp_path, seed=2, settings=longer)
    write_run(tmp_path, seed=0, changed={"rollout_length": 2})
    (table, _) = tables(compared(tmp_path))
    assert cells(table, "method") == [f"ampl/main, {each}" for each in ("epochs=40", "epochs=80", "rollout_length=2")]
    assert [text.count(":") for text in cells(table, "each seed")] == [2, 1, 1]


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        (
            {"problem": {"references": [0, 1]}},
            {"problem": {"references": [0, 2]}},
            ("references=0,1", "references=0,2"),
        ),
        (
            {"problem": {"termination": "never"}},
            {"problem": {"termination": "a:b"}},
            ("termination=never", "termination=a:b"),
        ),
        ({"model_from": {"run": "t/mopo/kit/seed0"}}, {}, ("model_from=t/mopo/kit", "model_from=absent")),
        ({"scale": {"evaluation_episodes": 5}}, {}, ("evaluation_episodes=5", "evaluation_episodes=10")),
        ({"scale": {"common_starts": True}}, {}, ("common_starts=true", "common_starts=false")),
    ],
)
def test_so_are_other_problems_models_and_ways_of_evaluation(
    tmp_path: Path, one: Mapping[str, Any], other: Mapping[str, Any], named: tuple[str, str]
) -> None:
    for seed, added in enumerate((one, one, other)):
        add_to_config(write_run(tmp_path, seed=seed, settings={**SETTINGS, "evaluation_episodes": 10}), added)
    assert cells(tables(compared(tmp_path))[RECENT], "method") == [f"ampl/main, {each}" for each in named]


@pytest.mark.parametrize(
    "same",
    [
        ({"settings": {"exact_weights": False}}, {"settings": {"known_weights": "none"}}),
        ({"scale": {"evaluation_episodes": 10, "common_starts": False}}, {"scale": {"evaluation_episodes": None}}, {}),
        tuple({"problem": {"data": f"/{name}/x.npz", "file": f"{name}.npz", "rows": 3}} for name in "abc"),
        tuple({"model_from": {"run": f"t/mopo/kit/seed{seed}", "sha256": str(seed)}} for seed in range(3)),
        ({"model_from": {"run": "t/mopo/kit/seed0", "sha256": "0"}},) * 3,
    ],
)
def test_what_means_the_same_is_one_row(tmp_path: Path, same: Sequence[Mapping[str, Any]]) -> None:
    for seed, added in enumerate(same):
        add_to_config(write_run(tmp_path, seed=seed, settings={**SETTINGS, "evaluation_episodes": 10}), added)
    assert cells(tables(compared(tmp_path))[RECENT], "method") == ["ampl/main"]


def test_seeds_of_two_folders_are_one_row_unless_a_seed_repeats(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=0, score=[1.0])
    write_run(tmp_path / "b", seed=1, score=[2.0])
    assert cells(tables(compared(tmp_path))[RECENT], "each seed") == ["0: 1.0, 1: 2.0"]
    assert cells(tables(compared(tmp_path, tmp_path / "a"))[RECENT], "each seed") == ["0: 1.0, 1: 2.0"]
    write_run(tmp_path / "b", seed=0, score=[3.0])
    table = tables(compared(tmp_path))[RECENT]
    assert cells(table, "method") == [f"ampl/main, in {tmp_path / each}" for each in "ab"]
    assert cells(table, "each seed") == ["0: 1.0", "0: 3.0, 1: 2.0"]


def test_methods_with_the_same_tasks_are_aggregated_over_them(tmp_path: Path) -> None:
    for task, variant, levels in (
        (UMAZE, "main", (0.0, 20.0, 70.0)),
        (WALKER, "main", (130.0, 110.0, 90.0)),
        (UMAZE, "nw", (10.0, 20.0)),
        (WALKER, "nw", (30.0, 40.0)),
        (UMAZE, "vpm", (99.0, 99.0)),
    ):
        for seed, level in enumerate(levels):
            write_run(tmp_path, task, variant, seed, score=[level])
    over = tables(compared(tmp_path, against="ampl/nw"))[1]
    assert cells(over, "method") == ["ampl/main", "ampl/nw"]
    assert cells(over, "row") == ["6", "7"]
    assert cells(over, "mean") == ["70.0", "25.0"]
    assert cells(over, "median") == ["70.0", "25.0"]
    assert cells(over, "optimality gap") == [f"{100 - (0 + 20 + 70 + 100 + 100 + 90) / 6:.1f}", "75.0"]
    assert cells(over, "interquartile mean")[0].startswith(f"{(20 + 70 + 90 + 110) / 4:.1f} [")
    assert cells(over, "better than ampl/nw")[0].startswith(f"{(3.5 / 6 + 1) / 2:.2f} [")  # 3.5 of 6 pairs, and all


def test_a_row_is_compared_with_the_one_chosen_by_number_method_or_part_of_its_name(tmp_path: Path) -> None:
    for variant, levels in {"main": (1.0, 2.0), "nw": (1.0, 1.0)}.items():
        for seed, level in enumerate(levels):
            write_run(tmp_path, variant=variant, seed=seed, score=[level])
    for chosen, name in (("2", "row 2"), ("ampl/nw", "ampl/nw"), (f"{UMAZE}/ampl/n", f"{UMAZE}/ampl/n")):
        better = cells(tables(compared(tmp_path, against=chosen))[RECENT], f"better than {name}")
        assert better == ["0.75 [0.50, 1.00]", ""]
    with pytest.raises(UnknownNameError, match="Did you mean 'ampl/nw'"):
        compared(tmp_path, against="ampl/nv")
    with pytest.raises(InvalidArgumentError, match=f"'ampl' means several rows on {UMAZE}: 1, 2"):
        compared(tmp_path, against="ampl")


@pytest.mark.parametrize("number", ["0", "3", "99"])
def test_a_number_that_no_row_has_is_no_part_of_a_name(tmp_path: Path, number: str) -> None:
    write_run(tmp_path)
    write_run(tmp_path, changed={"penalty_weight": 30.5})
    with pytest.raises(InvalidArgumentError, match=rf"--against is {number}; expected the number of a row, 1 to 2, "):
        compared(tmp_path, against=number)


def test_runs_that_do_not_count_are_named_and_unfinished_ones_marked(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, score=[10.0])
    write_run(tmp_path, seed=1, score=[20.0], status=None)
    write_run(tmp_path, seed=2, score=[90.0], status="stopped", message="metric 'critic/loss' is nan")
    write_run(tmp_path, "ant-angle-30", seed=0, score=[])
    recent, last = tables(compared(tmp_path))
    assert cells(recent, "each seed") == cells(last, "each seed") == ["0: 10.0, 1*: 20.0"]
    text = " ".join(last.notes)
    assert f"Diverged, not counted: {UMAZE}/ampl/main in {tmp_path}, seed 2 (metric 'critic/loss' is nan)." in text
    assert f"Without an evaluation, not counted: ant-angle-30/ampl/main in {tmp_path}, seed 0 (0 epochs)." in text
    assert f"Unfinished (*), counted as far as they are: {UMAZE}/ampl/main in {tmp_path}, seed 1 (1 epochs)." in text


def test_without_scores_returns_are_compared_and_those_of_finite_problems_are_called_exact(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_returns(tmp_path, "gridworld-5x5", [0.5, 0.25 + seed], exact=True, seed=seed)
    write_returns(tmp_path, "ant-angle-30", [-549.8], exact=False)
    write_run(tmp_path, UMAZE, score=[10.0])
    recent, table = tables(compared(tmp_path))
    assert cells(recent, "task") == ["ant-angle-30 (return)", UMAZE]
    assert cells(table, "task") == ["ant-angle-30 (return)", "gridworld-5x5 (exact return)", UMAZE]
    assert cells(table, "each seed")[1] == "0: 0.25, 1: 1.25"
    assert cells(table, "interquartile mean")[::2] == ["-549.8 (one seed)", "10.0 (one seed)"]
    assert "discounted and normalized, in reward units a step" in " ".join(table.notes)
    with look():
        figure = draw(compared(tmp_path))
    assert "exact return, discounted (reward units a step)" in texts(figure)
    check_text_is_readable(figure)


def test_the_files_hold_all_numbers_and_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    scores = (1.0 / 3.0 + np.arange(9.0) ** 3).tolist()
    for seed, score in enumerate(scores):
        write_run(tmp_path / "runs", seed=seed, score=[score])
    files = [tmp_path / f"{name}{suffix}" for name in "abc" for suffix in (".csv", ".md", ".png")]
    for index, seed in enumerate((0, 0, 1)):
        table, page, picture = files[3 * index : 3 * index + 3]
        Compare(folders=(tmp_path / "runs",), csv=table, markdown=page, picture=picture, seed=seed).run()
    first, again, other = ([path.read_bytes() for path in files[n : n + 3]] for n in (0, 3, 6))
    assert first == again
    assert first[0] != other[0]
    recent, last = csv.DictReader(files[0].read_text().splitlines())
    assert [float(score) for score in recent["scores"].split()] == scores
    assert float(recent["std"]) == np.std(scores, ddof=1)
    assert float(last["interquartile_mean"]) == np.mean(scores[2:7])
    assert float(last["interquartile_mean_low"]) < np.mean(scores[2:7]) < float(last["interquartile_mean_high"])


def test_the_picture_can_be_read(tmp_path: Path) -> None:
    longer = {**SETTINGS, "schedule": {**SETTINGS["schedule"], "epochs": 80, "steps_per_epoch": 3000}}
    for seed in range(3):
        write_run(tmp_path, seed=seed, score=[10.0 + seed])
        write_run(tmp_path, WALKER, seed=seed, score=[50.0 + seed])
    write_run(tmp_path, "halfcheetah-medium-expert-v2", algorithm="mopo")
    write_run(tmp_path / "longer", settings=longer)
    with look():
        check_text_is_readable(draw(compared(tmp_path)))


def test_a_policy_that_drives_off_does_not_flatten_the_others(tmp_path: Path) -> None:
    for seed, last in enumerate((60.0, 80.0, -1e6)):
        write_run(tmp_path, seed=seed, score=[50.0] * 14 + [last])
    figure = draw(compared(tmp_path))
    for axes in figure.axes:
        assert -150.0 < axes.get_xlim()[0] < -100.0
        triangles = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_marker() == "<"]
        assert [-100.0] in [places.tolist() for places in triangles]
    assert any("Triangles are scores below -100." in text.get_text() for text in figure.findobj(Text))
    check_text_is_readable(figure)


def test_returns_are_drawn_wherever_they_lie(tmp_path: Path) -> None:
    for seed, last in enumerate((60.0, -1e6)):
        write_returns(tmp_path, "hiv-treatment", [last], exact=False, seed=seed)
    figure = draw(compared(tmp_path))
    assert all(axes.get_xlim()[0] < -1e6 for axes in figure.axes)
    assert not any("Triangles" in text.get_text() for text in figure.findobj(Text))


def test_exact_returns_are_drawn_where_the_tables_have_them(tmp_path: Path) -> None:
    write_returns(tmp_path, "gridworld-5x5", [0.5, 0.25], exact=True)
    recent, last = draw(compared(tmp_path)).axes
    assert last.lines
    assert not recent.lines
    ticks = recent.xaxis.get_major_ticks()
    assert not any(tick.label1.get_visible() or tick.gridline.get_visible() for tick in ticks)
    assert recent.get_xlabel() == ""
    assert last.get_xlabel()
    assert any(tick.label1.get_visible() for tick in last.xaxis.get_major_ticks())


def test_ticks_of_the_picture_say_their_whole_values(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, seed=seed, score=[1234.5 + seed / 1000])
    with look():
        figure = draw(compared(tmp_path))
        figure.draw_without_rendering()
        assert [axes.xaxis.get_offset_text().get_text() for axes in figure.axes] == ["", ""]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"csv": Path("a.txt")}, InvalidArgumentError, r"--csv is a.txt; expected a name that ends in .csv"),
        ({"picture": Path("a.gif")}, InvalidArgumentError, r"--picture is a.gif; expected .* .png, .pdf, .svg"),
        ({"folders": (Path("nowhere"),)}, InvalidFileError, "nowhere does not exist"),
        ({"folders": (Path(__file__).parent,)}, InvalidFileError, "no run below"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, wrong: dict[str, object], error: type[AmplError], message: str) -> None:
    write_run(tmp_path)
    with pytest.raises(error, match=message):
        Compare(**{"folders": (tmp_path,)} | wrong).run()  # type: ignore[arg-type]


def test_a_file_of_someone_else_stays(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "a.md").write_bytes(b"precious")
    with pytest.raises(ForeignFileError):
        Compare(folders=(tmp_path,), markdown=tmp_path / "a.md", csv=tmp_path / "a.csv").run()
    assert (tmp_path / "a.md").read_bytes() == b"precious"
    assert not (tmp_path / "a.csv").exists()
