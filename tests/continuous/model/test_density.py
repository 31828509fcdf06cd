"""The density that the ensemble gives a next state, against integrals of it and against what the ensemble draws."""

import pytest
import torch

from continuous.networks.streams import SeedStreams
from tests.continuous.model.small_dynamics import build, linear_table

PAIR = (torch.tensor([[[0.3]]]), torch.tensor([[[0.5]]]))  # s and a


@pytest.mark.parametrize("fitted", [False, True])
def test_it_integrates_to_one_and_has_the_mean_and_variance_of_the_draws(fitted: bool) -> None:
    table = linear_table(size=1, actions=1)
    model = build([3], table=table)
    if fitted:
        model.fit(table, None, SeedStreams([3], "fit"))
    else:
        model.standardization.fit(table)
    count = 20_000
    state, action = (column.expand(1, count, 1) for column in PAIR)
    draws = model.step(state, action, SeedStreams([3], "draws"))[0].double()
    center, spread = draws.mean(), draws.std()
    grid = torch.linspace(float(center - 12 * spread), float(center + 12 * spread), count)
    density = model.next_state_log_density(state, action, grid.view(1, count, 1))[0].double().exp()
    mass = density * (grid[1] - grid[0])
    mean = (mass * grid).sum()
    assert mass.sum() == pytest.approx(1.0, abs=1e-4)
    assert mean == pytest.approx(float(center), abs=6.0 * float(spread) / count**0.5)
    assert (mass * (grid - mean) ** 2).sum().sqrt() == pytest.approx(float(spread), rel=0.05)


def test_each_seed_has_its_own() -> None:
    table = linear_table(size=1, actions=1)
    model = build([3, 4], table=table)
    model.standardization.fit(table)
    state, action = (column.expand(2, 1, 1) for column in PAIR)
    both = model.next_state_log_density(state, action, state)
    alone = build([4], table=table)
    alone.standardization.fit(table)
    assert both[1] == pytest.approx(float(alone.next_state_log_density(*PAIR, PAIR[0])), rel=1e-6)
    assert both[0] != both[1]
