"""Other libraries' ways of saying the same."""
