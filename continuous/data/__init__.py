"""Datasets: reading, checking, downloading, and D4RL's file layout."""
