"""Deep COMBO."""
