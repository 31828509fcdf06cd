"""The papers' claims as records that are checked on many MDPs: `ampl verify`.

`claim.py` says what a claim is and how a verdict is reached, `case.py` what it is tried on, `families.py` where the
cases come from; the claims themselves are grouped by what they speak of, and `registry.py` lists them all.
"""
