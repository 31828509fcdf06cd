"""Deep MOReL."""
