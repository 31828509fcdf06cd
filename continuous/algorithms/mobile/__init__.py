"""Deep MOBILE."""
