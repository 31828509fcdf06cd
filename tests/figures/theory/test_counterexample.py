"""The drawing of a counterexample says what its file holds, can be read up to six states, and refuses other files."""

from pathlib import Path

import numpy as np
import pytest

from ampl.drawings import find_drawing
from ampl.errors import InvalidFileError
from ampl.files import check_replaceable, write_npz
from figures.drawing.style import look
from figures.theory.counterexample import counterexample_figure, draw, read_case
from tests.figures.drawing.drawn_text import check_text_is_readable, texts

FACTS = {"claim": "|J(π,P*) - J(π,P̂)| <= C", "this case": "left 2 > right 1", "rerun": "ampl verify --replay a.npz"}


def ring(n_states: int, n_actions: int = 1, slip: float = 0.1) -> dict[str, np.ndarray]:
    """States in a ring: the truth goes on for certain, the model sometimes stays."""
    dynamics = np.zeros((n_states, n_actions, n_states))
    for state in range(n_states):
        dynamics[state, :, (state + 1) % n_states] = 1.0
    model = (1.0 - slip) * dynamics + slip * np.eye(n_states)[:, None]
    uniform = np.full((n_states, n_actions), 1.0 / n_actions)
    reward = np.linspace(-1.0, 1.0, n_states * n_actions).round(1).reshape(n_states, n_actions)
    return {
        "mdp_dynamics": dynamics,
        "model_dynamics": model,
        "mdp_reward": reward,
        "mdp_initial": np.eye(n_states)[0],
        "mdp_discount": np.float64(0.9),
        "policy": np.eye(n_actions)[np.zeros(n_states, dtype=int)],
        "behavior": uniform,
    }


def dense(n_states: int, n_actions: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    arrays = ring(n_states, n_actions)
    arrays["mdp_dynamics"] = generator.dirichlet(np.ones(n_states), (n_states, n_actions))
    arrays["model_dynamics"] = generator.dirichlet(np.ones(n_states), (n_states, n_actions))
    return arrays


def saved(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    write_npz(folder / "case.npz", arrays)
    return folder / "case.npz"


def shown(folder: Path, arrays: dict[str, np.ndarray]) -> list[str]:
    with look():
        figure = counterexample_figure(read_case(saved(folder, arrays)), "claim: fails", FACTS)
    check_text_is_readable(figure)
    return texts(figure)


def test_headline_facts_and_discount_are_written(tmp_path: Path) -> None:
    words = shown(tmp_path, ring(3))
    assert "claim: fails" in words
    assert set(FACTS) | set(FACTS.values()) <= set(words)
    assert any("discount γ = 0.9" in text for text in words)


def test_arrows_carry_both_probabilities_or_the_one_they_agree_on(tmp_path: Path) -> None:
    words = shown(tmp_path, ring(3))
    assert (words.count("1 | 0.9"), words.count("0 | 0.1")) == (3, 3)
    assert shown(tmp_path, ring(3, slip=0.0)).count("1") == 3


def test_states_have_initial_probability_reward_and_policy(tmp_path: Path) -> None:
    words = shown(tmp_path, ring(2, 2))
    assert {"s0", "s1", "μ₀ 1", "μ₀ 0", "action a0", "action a1"} <= set(words)
    assert "r = -1\nπ 1 | 0.5" in words
    assert "r = 1\nπ 0 | 0.5" in words


@pytest.mark.parametrize("n_states", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("n_actions", [1, 3])
def test_graphs_up_to_six_states_can_be_read(tmp_path: Path, n_states: int, n_actions: int) -> None:
    shown(tmp_path, ring(n_states, n_actions, slip=0.0))


def test_many_arrows_become_a_matrix_that_can_be_read(tmp_path: Path) -> None:
    arrays = dense(6, 3)
    words = shown(tmp_path, arrays)
    assert words.count("to s5") == 3
    assert f"{arrays['mdp_dynamics'][0, 0, 0]:.3g}\n{arrays['model_dynamics'][0, 0, 0]:.3g}" in words


def test_too_many_states_are_said_and_not_drawn(tmp_path: Path) -> None:
    words = shown(tmp_path, ring(9))
    assert any("9 states are too many to draw" in text for text in words)
    assert "s0" not in words


def test_the_same_file_gives_the_same_signed_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path, ring(3))
    first = draw(path, "claim", FACTS)
    assert first == draw(path, "claim", FACTS)
    (tmp_path / "case.png").write_bytes(first)
    check_replaceable(tmp_path / "case.png")


def test_the_drawing_is_announced() -> None:
    assert find_drawing("counterexample") is draw


def test_files_that_are_no_cases_are_refused(tmp_path: Path) -> None:
    arrays = ring(3)
    with pytest.raises(InvalidFileError, match="lacks the array 'policy'"):
        draw(saved(tmp_path, {name: value for name, value in arrays.items() if name != "policy"}), "", {})
    with pytest.raises(InvalidFileError, match="'model_dynamics' has shape"):
        draw(saved(tmp_path, arrays | {"model_dynamics": np.ones((2, 1, 2))}), "", {})
    with pytest.raises(InvalidFileError, match="'mdp_reward' has shape"):
        draw(saved(tmp_path, arrays | {"mdp_reward": np.ones(3)}), "", {})
