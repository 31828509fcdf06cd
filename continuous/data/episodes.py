"""Where the episodes of a dataset begin and end, their returns, and the states they start from.

An episode ends after every row with a terminal or a time-out. What follows the last such row is an episode that the
collection cut off: it has a start but no return. Splitting on terminals alone would join whole datasets.
Source: D4RL's sequence_dataset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from continuous.data.d4rl_data import D4RLData, Floats


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """E episodes as ranges of rows; only the last can be incomplete."""

    start: NDArray[np.int64]  # first row of each, [E]
    stop: NDArray[np.int64]  # one past the last row of each, [E]
    complete: NDArray[np.bool_]  # whether an end flag closes it, [E]

    @property
    def length(self) -> NDArray[np.int64]:
        """Rows of each episode, [E]."""
        return self.stop - self.start


def find_episodes(data: D4RLData) -> Episodes:
    """The episodes of a dataset, the incomplete one at its end included."""
    ended = np.flatnonzero(data.terminals | data.timeouts) + 1
    complete = np.ones(len(ended), dtype=np.bool_)
    if not len(ended) or ended[-1] != data.n_rows:
        ended, complete = np.append(ended, data.n_rows), np.append(complete, False)
    return Episodes(start=np.concatenate(([0], ended[:-1])), stop=ended, complete=complete)


def episode_returns(data: D4RLData) -> NDArray[np.float64]:
    """Undiscounted sums of rewards over the complete episodes, [number of complete episodes], in reward units."""
    episodes = find_episodes(data)
    return _returns(data, episodes)[episodes.complete]


def return_of_rows(data: D4RLData) -> NDArray[np.float64]:
    """The return of each row's episode, the incomplete one included, [N], in reward units."""
    episodes = find_episodes(data)
    return _returns(data, episodes).repeat(episodes.length)


def completeness_of_rows(data: D4RLData) -> NDArray[np.bool_]:
    """Whether each row's episode is complete, [N]."""
    episodes = find_episodes(data)
    return episodes.complete.repeat(episodes.length)


def start_states(data: D4RLData) -> Floats:
    """The first observation of every episode, the incomplete one included: draws from mu0, [E, D]."""
    starts: Floats = data.observations[find_episodes(data).start]
    return starts


def _returns(data: D4RLData, episodes: Episodes) -> NDArray[np.float64]:
    """[E]."""
    total = np.concatenate(([0.0], np.cumsum(data.rewards, dtype=np.float64)))
    returns: NDArray[np.float64] = total[episodes.stop] - total[episodes.start]
    return returns
