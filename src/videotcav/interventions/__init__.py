"""The class's own videos with one thing changed, and what its score makes of it (method.md 9)."""
