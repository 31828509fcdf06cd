"""The exact wing: every quantity of the papers on finite MDPs, in float64, by linear algebra rather than by sampling.

Start at `mdp.py` (the one class), `occupancy.py` (what a policy visits and earns), `weights.py` (marginal importance
weights and their operator) and `theorem1.py` (the bounds). `claims/` checks what the papers say about them.
"""
