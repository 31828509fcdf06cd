"""AMPL, MOPO and DAMO with exact components, behind `ampl.interfaces.Algorithm`."""
