"""The report: one page of all that a folder of runs holds."""
