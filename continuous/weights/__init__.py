"""Estimators of the marginal importance weights, deep: AMPL's, ours, VPM, GenDICE and DualDICE."""
