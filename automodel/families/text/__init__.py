"""Families that learn from texts, one file each."""
