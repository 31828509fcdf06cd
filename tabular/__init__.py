"""The exact wing: every quantity of the papers on finite MDPs, in float64, by linear algebra rather than by sampling.

Start at `mdps/mdp.py` (the one class), `exact/occupancy.py` (what a policy visits and earns), `weights/operator.py`
(marginal importance weights and their operator) and `bounds/theorem1.py`. `claims/` checks what the papers say of them.
"""
