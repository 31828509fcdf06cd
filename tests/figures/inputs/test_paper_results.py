"""The paper's numbers agree with the averages, ranks and other tables that the paper prints: no typing errors."""

import numpy as np
import pytest
from scipy.stats import rankdata

from figures.inputs.paper_results import (
    AVERAGE_RANKS,
    AVERAGES,
    DOMAIN_MEANS,
    DOMAINS,
    FIGURE_1,
    FIGURE_2,
    FIGURE_2_EPOCHS,
    FIGURE_2_TASK,
    METHODS,
    OVERALL_MEANS,
    TABLE_1,
    VARIANTS,
)

ROUNDING = 0.051  # one decimal, and what binary fractions add


def test_averages_of_table_1_follow_from_its_cells() -> None:
    means = np.array([[TABLE_1[task][method].mean for method in METHODS] for task in TABLE_1])  # [16, 9]
    assert means.shape == (16, 9)
    np.testing.assert_allclose(means.mean(axis=0), AVERAGES, atol=ROUNDING)


def test_average_ranks_of_table_1_follow_from_its_cells() -> None:
    means = np.array([[TABLE_1[task][method].mean for method in METHODS] for task in TABLE_1])
    best, worst = (rankdata(-means, axis=1, method=method).mean(axis=0) for method in ("min", "max"))
    np.testing.assert_array_less(best - ROUNDING, AVERAGE_RANKS)
    np.testing.assert_array_less(AVERAGE_RANKS, worst + ROUNDING)
    np.testing.assert_allclose(best, worst, atol=1 / 16)  # one tie, which the paper broke by digits not printed


def test_means_of_the_domains_follow_from_the_cells_of_figure_1() -> None:
    for domain, tasks in DOMAINS.items():
        cells = np.array([[FIGURE_1[task][variant] for variant in VARIANTS] for task in tasks])
        np.testing.assert_allclose(cells.mean(axis=0), DOMAIN_MEANS[domain], atol=2 * ROUNDING, err_msg=domain)
    cells = np.array([[FIGURE_1[task][variant] for variant in VARIANTS] for task in FIGURE_1])
    np.testing.assert_allclose(cells.mean(axis=0), OVERALL_MEANS, atol=ROUNDING)


def test_figure_1_and_table_1_have_the_same_datasets_and_main_scores() -> None:
    assert set(FIGURE_1) == set(TABLE_1) == {task for tasks in DOMAINS.values() for task in tasks}
    for task, scores in FIGURE_1.items():
        assert scores["main"] == pytest.approx(TABLE_1[task]["AMPL"].mean, abs=ROUNDING), task


def test_every_violin_of_figure_2_is_in_order() -> None:
    assert set(FIGURE_2) <= set(VARIANTS)
    assert FIGURE_2_TASK in TABLE_1
    for violins in FIGURE_2.values():
        assert len(violins) == len(FIGURE_2_EPOCHS)
        for violin in violins:
            assert violin.low <= violin.first <= violin.median <= violin.third <= violin.high
