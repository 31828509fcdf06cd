"""Marginal importance weights: the operator T, its contraction, moment conditions, and estimators from samples."""
