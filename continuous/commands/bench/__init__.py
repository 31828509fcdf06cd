"""`ampl bench`: how long the hot loops of training take, and how long their matrix products alone would."""
