"""Algorithms with exact components, behind `ampl.interfaces.Algorithm`."""
