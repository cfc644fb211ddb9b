"""Reports about a fitted search."""
