"""The public estimators, and the checks of their arguments."""
