"""Figures of the theory, from records of exact experiments."""
