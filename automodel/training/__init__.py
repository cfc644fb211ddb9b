"""From checked data to a fitted ensemble: baseline, search, assembly."""
