"""Draws of rows: hold-out splits and bootstraps, with respect to groups."""
