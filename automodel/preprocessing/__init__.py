"""Readers of tables, and encoders that turn them into matrices for models."""
