"""RiverSwim: swimming against the current is hard, and its reward is at the far end."""

import numpy as np

from tabular.mdps.mdp import FiniteMDP


class Rivers:
    """An `ampl.interfaces.ProblemSource`."""

    kind = "finite"

    def names(self):
        return ["river-6", "river-12"]

    def load(self, name):
        size = int(name.removeprefix("river-"))
        dynamics, reward = np.zeros((size, 2, size)), np.zeros((size, 2))
        for place in range(size):
            left, right = max(place - 1, 0), min(place + 1, size - 1)
            dynamics[place, 0, left] = 1.0  # with the current
            np.add.at(dynamics[place, 1], [left, place, right], [0.05, 0.6, 0.35])
        reward[0, 0], reward[-1, 1] = 0.005, 1.0
        return FiniteMDP(dynamics, reward, initial=np.eye(size)[0], discount=0.95, name=name)


RIVERS = Rivers()
