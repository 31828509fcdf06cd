"""A package whose algorithms, problems and claim come to every command of AMPL when it is installed."""
