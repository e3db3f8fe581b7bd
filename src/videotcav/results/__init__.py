"""A run on disk: written whole, read typed, put into words."""
