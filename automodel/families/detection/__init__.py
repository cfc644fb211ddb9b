"""Families that detect objects in images, one file each."""
