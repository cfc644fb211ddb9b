"""Evaluate one candidate on the folds: fit, predict and score it."""
