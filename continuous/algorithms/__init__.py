"""Deep AMPL, MOPO and DAMO, a folder each, and what model-based algorithms share."""
