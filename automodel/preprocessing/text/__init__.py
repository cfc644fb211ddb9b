"""Texts: read from any container, and encoded for models."""
