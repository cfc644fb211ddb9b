"""Callbacks of a search, each called with an Optuna study and trial."""
