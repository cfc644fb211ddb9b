"""What a fitted search says of itself."""
