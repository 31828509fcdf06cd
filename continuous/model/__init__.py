"""The learned dynamics: an ensemble of Gaussian networks, its fit, and rollouts through it."""
