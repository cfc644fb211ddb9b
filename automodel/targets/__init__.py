"""Targets: what y is, and how it is checked, learned, predicted and decoded."""
