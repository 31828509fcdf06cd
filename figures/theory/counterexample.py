"""The drawing `counterexample`: a case saved by `ampl verify` as a graph, one panel an action, below its facts.

Circles are states (with mu0), arrows are transitions with P* | P_hat (one number where they agree); reward and policy
stand at the states. A panel with too many arrows is drawn as a matrix, a case with too many states in words only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from ampl.files import read_npz
from ampl.printing import printable
from figures.drawing.render import render
from figures.drawing.style import BLACK, BLUE, GRAY, ORANGE

Numbers = NDArray[np.float64]

_REQUIRED = ("mdp_reward", "mdp_initial", "mdp_discount", "model_dynamics", "policy", "behavior")
_MOST_STATES, _MOST_ARROWS = 8, 9  # what can still be read
_INCHES, _MARGIN, _LINE = 1.05, 0.15, 0.185  # of the unit of a panel; left and right of all; of a line of text
_LABEL_WIDTH, _LETTERS_PER_INCH = 0.95, 13.0
_BORDER = 1.45  # between the circle that states lie on and the frame
_LEAST_WIDTH = 8.6  # inches
_RADIUS = 0.26  # of a state, in the unit of a panel
_RING = {1: 0.0, 2: 0.8, 3: 1.15, 4: 1.3, 5: 1.45}  # of the circle that states lie on; 1.6 for more
_TEXT: dict[str, Any] = {"parse_math": False, "ha": "center", "va": "center"}
_BOX: dict[str, Any] = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"}


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedCase:
    """A saved case: dynamics and model [S, A, S'], reward, policy and behavior [S, A], initial [S]."""

    dynamics: Numbers
    model: Numbers
    reward: Numbers
    initial: Numbers
    policy: Numbers
    behavior: Numbers
    discount: float


def draw(record: Path, headline: str, facts: Mapping[str, str]) -> bytes:
    """The picture of a saved case as a PNG; see `ampl.drawings.Drawing`.

    Args:
        record: what `ampl verify` saved.
        headline: first line of the picture.
        facts: texts below it by label.

    Raises:
        InvalidFileError: not a saved case.
    """
    case = read_case(record)
    return render(partial(counterexample_figure, case, headline, facts), [".png"])[".png"]


def counterexample_figure(case: SavedCase, headline: str, facts: Mapping[str, str]) -> Figure:
    """Headline and facts on top, one panel an action below."""
    n_states, n_actions = case.reward.shape
    drawn = n_actions if n_states <= _MOST_STATES else 0
    columns = min(max(drawn, 2), 3)
    rows = -(-drawn // columns)
    wide, high = _panel_size(n_states)
    width = max(columns * wide + 2 * _MARGIN, _LEAST_WIDTH)
    facts = {**facts, "reading": _reading(case, drawn)}
    letters = int((width - _LABEL_WIDTH - 2 * _MARGIN) * _LETTERS_PER_INCH)
    lines = {label: wrap(printable(text), letters, break_on_hyphens=False) or [""] for label, text in facts.items()}
    top = _MARGIN + 0.38 + _LINE * sum(len(found) for found in lines.values()) + 0.1
    height = top + rows * high + _MARGIN
    figure = Figure(figsize=(width, height))
    _write_facts(figure, headline, lines)
    for action in range(drawn):
        row, column = divmod(action, columns)
        in_row = min(drawn - row * columns, columns)
        left, bottom = (width - in_row * wide) / 2.0 + column * wide, height - top - (row + 1) * high
        axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
        _draw_action(axes, case, action)
    return figure


def _reading(case: SavedCase, drawn: int) -> str:
    setting = f"discount γ = {case.discount:g}"
    if not drawn:
        return f"{setting}; {len(case.reward)} states are too many to draw: load the file with numpy."
    agree = "one number where both agree"
    return f"{setting}; on arrows P* | P̂, {agree}; blue: P̂ differs, orange: only in P̂; π | π_b and reward r at states."


def _write_facts(figure: Figure, headline: str, lines: Mapping[str, list[str]]) -> None:
    width, height = figure.get_size_inches()
    place: dict[str, Any] = {"parse_math": False, "va": "top"}
    figure.text(_MARGIN / width, 1 - _MARGIN / height, printable(headline), size=13, weight="bold", **place)
    down = _MARGIN + 0.38
    for label, found in lines.items():
        figure.text(_MARGIN / width, 1 - down / height, label, size=9.5, color=GRAY, **place)
        for line in found:
            x = (_MARGIN + _LABEL_WIDTH) / width
            figure.text(x, 1 - down / height, line, size=9.5, color=BLACK, **place)
            down += _LINE


def _draw_action(axes: Axes, case: SavedCase, action: int) -> None:
    n_states, n_actions = case.reward.shape
    present = (case.dynamics[:, action] > 0.0) | (case.model[:, action] > 0.0)  # [S, S']
    right = _ring(n_states) + _BORDER
    bottom, top = (-right, right) if n_states > 2 else (-0.85, 1.2)
    axes.set(xlim=(-right, right), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()
    if n_actions > 1:
        axes.text(0.0, top - 0.12, f"action a{action}", size=10.5, weight="bold", **_TEXT)
    if n_states > 2 and np.count_nonzero(present) > _MOST_ARROWS:
        _draw_matrix(axes, case, action)
        return
    center = _centers(n_states)  # [S, 2]
    taken = list(center)  # where no label may lie
    for state, following in np.argwhere(present):
        true, model = case.dynamics[state, action, following], case.model[state, action, following]
        _draw_arrow(axes, center, (int(state), int(following)), (float(true), float(model)), taken)
    for state in range(n_states):
        axes.add_patch(
            Circle(tuple(center[state]), _RADIUS, facecolor="white", edgecolor=BLACK, linewidth=1.2, zorder=3)
        )
        x, y = center[state]
        axes.text(x, y + 0.07, f"s{state}", size=10, weight="bold", zorder=4, **_TEXT)
        axes.text(x, y - 0.08, f"μ₀ {case.initial[state]:.3g}", size=7.5, zorder=4, **_TEXT)
        (x, y), side = _note_place(center, state, bool(present[state, state]))
        axes.text(x, y, _state_note(case, state, action), size=8.5, zorder=2.5, bbox=_BOX, **_TEXT | {"ha": side})


def _ring(n_states: int) -> float:
    return _RING.get(n_states, 1.6)


def _panel_size(n_states: int) -> tuple[float, float]:
    """Width and height of a panel, inches."""
    wide = 2.0 * (_ring(n_states) + _BORDER) * _INCHES
    return wide, wide if n_states > 2 else 2.05 * _INCHES


def _state_note(case: SavedCase, state: int, action: int) -> str:
    """Reward and, where there is a choice of action, how often it is taken."""
    note = f"r = {case.reward[state, action]:.3g}"
    if case.reward.shape[1] == 1:
        return note
    return f"{note}\nπ {_both(case.policy[state, action], case.behavior[state, action])}"


def _both(first: float, second: float) -> str:
    """Two numbers, or one if they agree."""
    return f"{first:.3g}" if first == second else f"{first:.3g} | {second:.3g}"


def _centers(n_states: int) -> Numbers:
    """Where states lie: one in the middle, two side by side, more on a circle from the top on, clockwise; [S, 2]."""
    if n_states == 1:
        return np.zeros((1, 2))
    angle = np.pi / 2.0 - 2.0 * np.pi * np.arange(n_states) / n_states
    if n_states == 2:
        angle = np.array([np.pi, 0.0])
    return _ring(n_states) * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _outward(center: Numbers, state: int) -> Numbers:
    """Unit vector from the middle through a state; upward if it is the only one."""
    distance = float(np.linalg.norm(center[state]))
    return center[state] / distance if distance > 0.0 else np.array([0.0, 1.0])


def _note_place(center: Numbers, state: int, has_loop: bool) -> tuple[Numbers, str]:
    """Place and alignment: below one or two states, outside of the ring for more, aside of a self-loop there."""
    if len(center) <= 2:
        return center[state] - np.array([0.0, 0.53]), "center"
    outward = _outward(center, state)
    if not has_loop:
        return _beside(center[state], outward, 0.1)
    return _beside(center[state] + 0.2 * outward, _turned(outward, np.pi / 2.0), 0.1)


def _beside(place: Numbers, direction: Numbers, gap: float) -> tuple[Numbers, str]:
    """Where a text begins that stands in a direction of a state, and its alignment."""
    if abs(direction[0]) > 0.7:
        return place + (_RADIUS + gap) * direction, "left" if direction[0] > 0.0 else "right"
    return place + (_RADIUS + max(gap, 0.3)) * direction, "center"


def _draw_arrow(
    axes: Axes, center: Numbers, ends: tuple[int, int], chances: tuple[float, float], taken: list[Numbers]
) -> None:
    """An arrow with P* and P_hat at it, at a place that is not taken; the place is taken then."""
    true, model = chances
    color = BLACK if true == model else (BLUE if true > 0.0 else ORANGE)
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 12, "linewidth": 0.8 + 1.6 * max(true, model),
                            "color": color, "shrinkA": 0, "shrinkB": 0, "zorder": 2,
                            "linestyle": "-" if true > 0.0 else (0, (3, 2))}  # fmt: skip
    start, end = center[ends[0]], center[ends[1]]
    if ends[0] == ends[1]:
        outward = _outward(center, ends[0])
        feet = [start + _RADIUS * _turned(outward, turn) for turn in (0.7, -0.7)]
        place, side = _beside(start, outward, 0.38)
        bend = -1.9
    else:
        bend, side = -0.22, "center"
        direction = (end - start) / np.linalg.norm(end - start)
        tilt = np.arctan(-2.0 * bend)  # of the curve at its ends
        feet = [start + _RADIUS * _turned(direction, tilt), end - _RADIUS * _turned(direction, -tilt)]
        place = _free_place(feet[0], feet[1], bend, taken)
    connection = f"arc3,rad={bend}"
    axes.add_patch(FancyArrowPatch(tuple(feet[0]), tuple(feet[1]), connectionstyle=connection, **look))
    taken.append(place)
    text = _TEXT | {"ha": side}
    axes.text(place[0], place[1], _both(true, model), size=8.5, color=color, zorder=5, bbox=_BOX, **text)


def _free_place(first: Numbers, last: Numbers, bend: float, taken: list[Numbers]) -> Numbers:
    """The point of a bent arrow, from a few, that is far enough from what is taken, or else the farthest."""
    chord = last - first
    candidates = []
    for share in (0.5, 0.38, 0.62, 0.28, 0.72):
        point = first + share * chord - 2.0 * share * (1.0 - share) * bend * _turned(chord, np.pi / 2.0)
        room = min(float(np.hypot(*((point - other) * (0.7, 1.6)))) for other in taken)  # labels are wide and low
        candidates.append((room, point))
    return next((point for room, point in candidates if room > 0.5), max(candidates, key=lambda found: found[0])[1])


def _turned(direction: Numbers, angle: float) -> Numbers:
    """A vector turned counterclockwise."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]]) @ direction


def _draw_matrix(axes: Axes, case: SavedCase, action: int) -> None:
    """P* over P_hat, a row a state and a column a next state; mu0, reward and policy at the left of each row."""
    n_states = len(case.reward)
    edge = axes.get_xlim()[1]
    x = np.linspace(-0.35 * edge, 0.9 * edge, n_states + 1)
    y = np.linspace(0.7 * edge, -0.9 * edge, n_states + 1)
    for column in range(n_states):
        axes.text((x[column] + x[column + 1]) / 2.0, 0.76 * edge, f"to s{column}", size=8.5, color=GRAY, **_TEXT)
    for state in range(n_states):
        middle = (y[state] + y[state + 1]) / 2.0
        note = f"s{state}  μ₀ {case.initial[state]:.3g}\n{_state_note(case, state, action)}"
        axes.text(-0.7 * edge, middle, note, size=8, **_TEXT)
        for column in range(n_states):
            true, model = case.dynamics[state, action, column], case.model[state, action, column]
            color = BLACK if true == model else (BLUE if true > 0.0 else ORANGE)
            share = 0.35 * max(true, model)
            axes.fill_between(x[[column, column + 1]], y[state], y[state + 1], color=color, alpha=share, linewidth=0)
            if max(true, model) > 0.0:
                text = f"{true:.3g}" if true == model else f"{true:.3g}\n{model:.3g}"
                axes.text((x[column] + x[column + 1]) / 2.0, middle, text, size=8, color=BLACK, **_TEXT)


def read_case(path: Path) -> SavedCase:
    """Reads a saved case; of one too large to be drawn the true dynamics are not needed.

    Raises:
        InvalidFileError: an array is missing or has another shape than the reward's [S, A] asks for.
    """
    arrays = read_npz(path, "a case saved by ampl verify", _REQUIRED, ["mdp_dynamics"])
    reward, model = np.asarray(arrays["mdp_reward"]), np.asarray(arrays["model_dynamics"])
    if reward.ndim != 2 or reward.dtype.kind != "f":
        raise InvalidFileError(f"{path}: 'mdp_reward' has shape {reward.shape}; expected numbers [S, A].")
    n_states, n_actions = reward.shape
    dynamics = arrays.get("mdp_dynamics", model if n_states > _MOST_STATES else np.zeros(()))  # sparse if large
    shapes = {"mdp_dynamics": (n_states, n_actions, n_states), "model_dynamics": (n_states, n_actions, n_states),
              "mdp_initial": (n_states,), "policy": reward.shape, "behavior": reward.shape,
              "mdp_discount": ()}  # fmt: skip
    for name, shape in shapes.items():
        array = dynamics if name == "mdp_dynamics" else arrays[name]
        if array.shape != shape or array.dtype.kind != "f":
            raise InvalidFileError(f"{path}: '{name}' has shape {array.shape}; expected numbers {list(shape)}.")
    return SavedCase(
        dynamics=dynamics,
        model=model,
        reward=reward,
        initial=arrays["mdp_initial"],
        policy=arrays["policy"],
        behavior=arrays["behavior"],
        discount=float(arrays["mdp_discount"]),
    )
