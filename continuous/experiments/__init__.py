"""Deep estimators on problems whose answer is known exactly."""
