"""Deep RAMBO."""
