"""Train an ensemble from checked data: baseline, search, assembly."""
