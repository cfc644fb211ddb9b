"""How rows are drawn: held out or with replacement, as single rows or as groups."""
