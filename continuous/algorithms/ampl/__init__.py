"""AMPL (alternating model-policy learning with marginal importance weights), deep."""
