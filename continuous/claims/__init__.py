"""The papers' claims on linear-Gaussian problems, which `ampl verify` checks.

`case.py` says what they are tried on, `families.py` where the cases come from, `source.py` offers them to
`ampl.claims`; the claims themselves are grouped by what they speak of, and `registry.py` lists them all.
"""
