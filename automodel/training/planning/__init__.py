"""What a fit will take: a search on a simulated clock, from a few short probes."""
