"""Names → models whose insides can be read, and which are handed back unchanged."""
