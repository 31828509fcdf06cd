"""Figures and tables of trainings, from run directories."""
