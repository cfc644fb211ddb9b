"""The public estimators, and the checks of what the user gives them."""
