"""Figure `learning-curves` draws values of the kind it says, six variants at most, and names what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from ampl.errors import InvalidFileError
from ampl.runs.headline import SCORE
from ampl.runs.metrics_table import MetricsTable
from figures.inputs.runs import RETURN
from tests.figures.drawing.drawn_text import check_text_is_readable, draw, words
from tests.figures.inputs.synthetic_runs import write_run

HOPPER = "hopper-medium-replay-v2"
VARIANTS = ("alpha-0.1", "alpha-0.3", "alpha-1", "alpha-3", "alpha-10", "inconsistent", "main", "no-er", "no-ir")


def write(folder: Path, variant: str = "main", seed: int = 0, algorithm: str = "damo", **values: float) -> None:
    """A run of two epochs with constant values: certificate, start_value_mean, value_mean."""
    path = write_run(folder, HOPPER, variant, seed, score=[], algorithm=algorithm)
    names = {"certificate": "certificate/value_estimate"}
    metrics = {names.get(name, f"critic/{name}"): value for name, value in values.items()}
    table = MetricsTable(path / "metrics.csv")
    for epoch in (1, 2):
        table.append(epoch, {SCORE: 10.0, **metrics})


def drawn(folder: Path) -> Figure:
    figure = draw("learning-curves", folder)
    check_text_is_readable(figure)
    return figure


def values(figure: Figure) -> list[float]:
    """The last point of every line in the lower row."""
    columns = len(figure.axes) // 2
    return [float(line.get_ydata()[-1]) for axes in figure.axes[columns:] for line in axes.lines]  # type: ignore[index]


def methods(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_values_are_certificates_and_otherwise_batch_means(tmp_path: Path) -> None:
    write(tmp_path, certificate=1.0, start_value_mean=2.0, value_mean=3.0)
    write(tmp_path, "no-er", start_value_mean=20.0, value_mean=30.0)
    figure = drawn(tmp_path)
    assert values(figure) == [1.0, 30.0]
    assert f"otherwise means over batches: {HOPPER}: damo no-er." in words(figure)


def test_where_all_runs_have_a_certificate_no_batch_means_are_mentioned(tmp_path: Path) -> None:
    write(tmp_path, certificate=1.0, value_mean=3.0)
    write(tmp_path, algorithm="bc")  # it values nothing
    assert "batches" not in words(drawn(tmp_path))


def test_seeds_of_one_line_have_one_kind_of_value(tmp_path: Path) -> None:
    write(tmp_path, seed=0, certificate=1.0, value_mean=30.0)
    write(tmp_path, seed=1, value_mean=40.0)
    assert values(drawn(tmp_path)) == [35.0]


def test_six_variants_have_room_and_the_published_ones_come_first(tmp_path: Path) -> None:
    for variant in VARIANTS:
        write(tmp_path, variant, value_mean=1.0)
    write(tmp_path, "mbpo", algorithm="mopo", value_mean=1.0)
    figure = drawn(tmp_path)
    assert methods(figure)[:3] == ["mopo mbpo", "damo main", "damo alpha-0.1"]
    assert [len(axes.lines) for axes in figure.axes] == [6, 6]
    missing = f"{HOPPER}: damo alpha-3, damo inconsistent, damo no-er, damo no-ir. --runs with a folder"
    assert f"tasks and 6 variants a task: {missing}" in words(figure)
    assert not {"damo no-er", "damo no-ir"} & set(methods(figure))


def test_where_everything_is_drawn_nothing_is_said_to_be_missing(tmp_path: Path) -> None:
    for variant in VARIANTS[:6]:
        write(tmp_path, variant, value_mean=1.0)
    figure = drawn(tmp_path)
    assert len(methods(figure)) == 6
    assert "Not drawn" not in words(figure)


def test_a_panel_has_no_color_twice(tmp_path: Path) -> None:
    """Nine methods of two tasks are more than there are colors."""
    for variant in VARIANTS[:6]:
        write(tmp_path, variant, value_mean=1.0)
    for variant in (*VARIANTS[6:], VARIANTS[0]):
        write_run(tmp_path, "walker2d-medium-v2", variant, algorithm="damo")
    for axes in drawn(tmp_path).axes[:2]:
        assert len({line.get_color() for line in axes.lines}) == len(axes.lines)


def test_a_policy_that_drives_off_does_not_flatten_the_others(tmp_path: Path) -> None:
    write_run(tmp_path, HOPPER, score=[-1e6, 50.0], algorithm="damo")
    assert draw("learning-curves", tmp_path).axes[0].get_ylim() == pytest.approx((-100.0, 57.5))


def test_a_seventh_task_is_named(tmp_path: Path) -> None:
    tasks: Sequence[str] = ("ant", "halfcheetah", "hammer", "hopper", "pen", "relocate", "walker2d")
    for task in tasks:
        write_run(tmp_path, f"{task}-expert-v1", score=[1.0])
    figure = draw("learning-curves", tmp_path)
    assert "Not drawn, beyond 6 tasks and 6 variants a task: walker2d-expert-v1: ampl main." in words(figure)


@pytest.mark.parametrize("place", [HOPPER, "."])
def test_the_folder_of_one_task_is_drawn_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    write(tmp_path, value_mean=1.0)
    write_run(tmp_path, "walker2d-medium-v2", algorithm="damo")
    monkeypatch.chdir(tmp_path / HOPPER if place == "." else tmp_path)
    titles = [axes.get_title(loc="left") for axes in drawn(Path(place)).axes]
    assert titles == [HOPPER, ""]


def test_other_settings_are_a_line_of_their_own(tmp_path: Path) -> None:
    write_run(tmp_path, HOPPER, algorithm="mopo", score=[10.0, 20.0])
    for seed in (0, 1):
        write_run(tmp_path, HOPPER, seed=seed, algorithm="mopo", score=[30.0, 40.0], changed={"penalty_weight": 2.5})
    figure = drawn(tmp_path)
    assert methods(figure) == ["mopo main", "mopo main, penalty_weight=2.5"]
    assert "Highest mean of the last 2: 35.0, mopo main, penalty_weight=2.5 on" in words(figure)
    assert [float(line.get_ydata()[-1]) for line in figure.axes[0].lines] == [20.0, 40.0]  # type: ignore[index]


def test_a_plugins_algorithm_is_drawn_too(tmp_path: Path) -> None:
    write_run(tmp_path, HOPPER, algorithm="bc")
    assert methods(drawn(tmp_path)) == ["bc main"]


def write_returns(
    folder: Path, task: str, returns: Sequence[float], algorithm: str = "mopo", exact: bool = False
) -> None:
    """A run with returns and no scores; exact ones have no spread."""
    path = write_run(folder, task, algorithm=algorithm, score=[])
    table = MetricsTable(path / "metrics.csv")
    for epoch, value in enumerate(returns, start=1):
        table.append(epoch, {RETURN: value} | ({} if exact else {"evaluation/return_spread": 1.0}))


def test_returns_are_drawn_where_a_task_has_no_scores(tmp_path: Path) -> None:
    write_returns(tmp_path, "my-data", [-900.0, -300.0])
    write_returns(tmp_path, "my-data", [-800.0, -200.0], algorithm="bc")
    figure = drawn(tmp_path)
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[-900.0, -300.0], [-800.0, -200.0]]
    assert figure.axes[0].get_ylabel() == "return (reward units)"
    assert "Highest mean of the last 2 returns on my-data: -500, bc main" in words(figure)


def test_of_exact_returns_the_last_counts(tmp_path: Path) -> None:
    write_returns(tmp_path, "gridworld-5x5", [0.5, 0.25], exact=True)
    write_returns(tmp_path, "gridworld-5x5", [0.125, 0.375], algorithm="damo", exact=True)
    figure = drawn(tmp_path)
    assert figure.axes[0].get_ylabel() == "exact return, discounted\n(reward units a step)"
    assert "Highest last return on gridworld-5x5: 0.375, damo main" in words(figure)


def test_each_kind_of_results_has_columns_of_its_own_and_scores_come_first(tmp_path: Path) -> None:
    write(tmp_path / "a")
    for folder, task, exact in (("a", "gridworld-5x5", True), ("a", "b-data", False), ("b", HOPPER, False)):
        write_returns(tmp_path / folder, task, [1e6, 1e6], exact=exact)
    (tmp_path / "b" / HOPPER / "mopo").rename(tmp_path / "a" / HOPPER / "mopo")
    figure = drawn(tmp_path / "a")
    assert [axes.get_title(loc="left") for axes in figure.axes[:4]] == [HOPPER, "b-data", HOPPER, "gridworld-5x5"]
    labels = [
        "normalized score   (0-100)",
        "return (reward units)",
        "",
        "exact return, discounted\n(reward units a step)",
    ]
    assert [axes.get_ylabel() for axes in figure.axes[:4]] == labels
    assert "Highest mean of the last 2: 10.0, damo main" in words(figure)


def test_returns_of_first_policies_do_not_flatten_the_later_ones(tmp_path: Path) -> None:
    write_returns(tmp_path, "my-data", [-1e6, 40.0, 41.0, 42.0])
    figure = drawn(tmp_path)
    assert figure.axes[0].get_ylim() == pytest.approx((40.0, 43.0))
    assert "lower returns of the first policies are left out" in words(figure)


@pytest.mark.parametrize(("evaluations", "said"), [((5, 5), "5"), ((5, 12), "5 to 10"), ((12, 11), "10")])
def test_the_title_says_how_many_evaluations_its_mean_is_of(
    tmp_path: Path, evaluations: tuple[int, int], said: str
) -> None:
    for seed, count in enumerate(evaluations):
        write_run(tmp_path, HOPPER, seed=seed, score=[50.0] * count)
    assert f"Highest mean of the last {said}: 50.0" in words(drawn(tmp_path))


def test_without_any_evaluation_one_line_says_how_to_get_one(tmp_path: Path) -> None:
    path = write_run(tmp_path, "my-data", score=[])
    MetricsTable(path / "metrics.csv").append(1, {"critic/loss": 1.0})
    with pytest.raises(InvalidFileError, match=r"no run with an evaluation below .* makes one") as caught:
        draw("learning-curves", tmp_path)
    assert "`--references LOW HIGH`, given from the start," in str(caught.value)
    assert "\n" not in str(caught.value)
