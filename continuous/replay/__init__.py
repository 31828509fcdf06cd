"""Batches of transitions for updates: from the data, from rollouts, and mixed."""
