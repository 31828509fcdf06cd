"""Claims of papers as records that are checked on many cases: `ampl verify`.

`claim.py` says what a claim is and how a verdict is reached, `cases.py` what a source of cases offers, `registry.py`
finds both, `runner.py` tries every claim on every case of its kind, and `report.py`, `page.py` and `gallery.py` show
what came of it, which `record.py` keeps. The claims and the cases themselves are in the wings.
"""

from ampl.claims.record import ClaimRecord, Verdict, check_claims_output, read_claims, write_claims

__all__ = ["ClaimRecord", "Verdict", "check_claims_output", "read_claims", "write_claims"]
