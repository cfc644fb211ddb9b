"""The search: who is tried next, where, for how long, and what is kept."""
