"""Conservative Q-learning, and what COMBO shares with it."""
