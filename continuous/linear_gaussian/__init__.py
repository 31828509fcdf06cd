"""Linear-Gaussian problems: continuous spaces where occupancies, weights, returns and the optimum are exact."""
