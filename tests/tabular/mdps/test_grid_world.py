"""Grid worlds against answers worked out by hand, and one test per kind of bad layout."""

import numpy as np
import pytest

from ampl.errors import InvalidArgumentError, InvalidDiscountError
from tabular.exact.occupancy import occupancy, state_value
from tabular.mdps.grid_world import GridLayout, grid_world, shortest_path_policy

LEFT, DOWN, RIGHT, UP = range(4)


def test_a_corridor_has_the_values_and_occupancies_worked_out_by_hand() -> None:
    """S . G, always right: two moves, the second earns 1, then the end forever."""
    world = grid_world("S.G", slip=0.0, discount=0.5)
    policy = np.eye(4)[[RIGHT, RIGHT, RIGHT]]
    assert world.n_states == 3
    np.testing.assert_allclose(state_value(world, policy), [0.5, 1.0, 0.0])
    np.testing.assert_allclose(occupancy(world, policy).sum(axis=1), [0.5, 0.25, 0.25])


def test_slips_and_bumps_move_as_worked_out_by_hand() -> None:
    """States 0 1 / - 2 with the goal below 2: state 1 can go left, down and, by bumping, nowhere."""
    world = grid_world("..\n#.\n#G", slip=0.2)
    dynamics = world.to_dense().dynamics
    assert world.n_states == 4
    np.testing.assert_allclose(dynamics[1, LEFT], [0.8, 0.1, 0.1, 0.0])  # up bumps, down enters 2
    np.testing.assert_allclose(dynamics[1, DOWN], [0.1, 0.1, 0.8, 0.0])
    np.testing.assert_allclose(dynamics[1, RIGHT], [0.0, 0.9, 0.1, 0.0])
    np.testing.assert_allclose(dynamics[1, UP], [0.1, 0.9, 0.0, 0.0])
    np.testing.assert_allclose(dynamics[2, DOWN], [0.0, 0.0, 0.2, 0.8])  # both sides of 2 are wall or border
    np.testing.assert_allclose(dynamics[3], np.tile([0.0, 0.0, 0.0, 1.0], (4, 1)))


def test_arriving_at_a_goal_pays_its_probability_and_the_end_pays_nothing() -> None:
    world = grid_world("..\n#.\n#G", slip=0.2)
    expected = np.zeros((4, 4))
    expected[2] = [0.1, 0.8, 0.1, 0.0]
    np.testing.assert_allclose(world.reward, expected)
    assert list(world.absorbing) == [False, False, False, True]


def test_a_slip_of_one_never_moves_as_told() -> None:
    dynamics = grid_world("...\n...\n..G", slip=1.0).to_dense().dynamics
    center = 4
    np.testing.assert_allclose(dynamics[center, RIGHT], 0.5 * (np.eye(9)[1] + np.eye(9)[7]))


def test_episodes_start_at_the_marked_cells_or_anywhere() -> None:
    np.testing.assert_allclose(grid_world("S.S\n#.G").initial, [0.5, 0.0, 0.5, 0.0, 0.0])
    np.testing.assert_allclose(grid_world("...\n#.G").initial, [0.25, 0.25, 0.25, 0.25, 0.0])


def test_states_and_cells_name_each_other() -> None:
    layout = GridLayout.from_text("S#.\nG..")
    np.testing.assert_array_equal(layout.state_cells, [[0, 0], [0, 2], [1, 1], [1, 2]])
    np.testing.assert_array_equal(layout.cell_states, [[0, -1, 1], [4, 2, 3]])
    assert grid_world(layout).n_states == 5


def test_a_size_with_a_wall_mask_is_the_same_world_as_its_drawing() -> None:
    walls = np.array([[False, True, False], [False, False, True]])
    by_size = grid_world(GridLayout.of_size((2, 3), walls))
    by_text = grid_world(".#.\n.G#")
    assert (by_size.dynamics != by_text.dynamics).nnz == 0
    np.testing.assert_array_equal(by_size.reward, by_text.reward)
    np.testing.assert_array_equal(by_size.initial, by_text.initial)
    assert grid_world((4, 5)).n_states == 20


def test_shortest_path_policies_earn_the_discounted_distance() -> None:
    layout = GridLayout.from_text("S.#.\n.##.\n...G\n#.#S")
    world = grid_world(layout, slip=0.0, discount=0.9)
    value = state_value(world, shortest_path_policy(layout))
    moves = {
        (0, 0): 5,
        (0, 1): 6,
        (0, 3): 2,
        (1, 0): 4,
        (1, 3): 1,
        (2, 0): 3,
        (2, 1): 2,
        (2, 2): 1,
        (3, 1): 3,
        (3, 3): 1,
    }
    expected = [0.9 ** (moves[int(row), int(column)] - 1) for row, column in layout.state_cells]
    np.testing.assert_allclose(value, [*expected, 0.0])


def test_cells_that_are_walled_off_keep_a_valid_policy_and_earn_nothing() -> None:
    layout = GridLayout.from_text(".#.G")
    policy = shortest_path_policy(layout)
    np.testing.assert_array_equal(policy.sum(axis=1), 1.0)
    assert state_value(grid_world(layout), policy)[0] == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("..\n...", r"row 1 .* 3 cells and row 0 has 2"),
        ("..\n.X\n.G", r"cell \(1, 1\) .* 'X'; expected"),
        ("...", "no goal"),
        ("#G#", "no free cell"),
    ],
)
def test_bad_drawings_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        grid_world(text)


@pytest.mark.parametrize("size", [(0, 3), (3, -1)])
def test_empty_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        grid_world(size)


def test_a_grid_of_walls_only_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="no goal"):
        GridLayout.of_size((2, 2), np.ones((2, 2), dtype=bool))


def test_walls_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"\(2, 3\)"):
        GridLayout.of_size((2, 2), np.zeros((2, 3), dtype=bool))


def test_masks_that_disagree_are_refused() -> None:
    cells = np.zeros((2, 2), dtype=bool)
    with pytest.raises(InvalidArgumentError, match="shapes"):
        GridLayout(walls=cells, goals=np.ones((2, 3), dtype=bool), starts=cells)
    with pytest.raises(InvalidArgumentError, match=r"cell \(0, 0\) is two"):
        GridLayout(walls=cells, goals=np.eye(2, dtype=bool), starts=np.eye(2, dtype=bool))


@pytest.mark.parametrize("slip", [-0.1, 1.1, float("nan")])
def test_slips_outside_the_unit_interval_are_refused(slip: float) -> None:
    with pytest.raises(InvalidArgumentError, match="slip"):
        grid_world("S.G", slip=slip)


def test_a_discount_of_one_is_refused() -> None:
    with pytest.raises(InvalidDiscountError, match="discount"):
        grid_world("S.G", discount=1.0)
