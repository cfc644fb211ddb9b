"""Search models: choose candidates, have them evaluated, and keep the results."""
