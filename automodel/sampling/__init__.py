"""How rows are drawn: held out, with replacement, group by group."""
