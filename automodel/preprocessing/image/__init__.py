"""Images: read from any container, and encoded for models."""
