"""Inner products, the directions trained from them, and their scores."""
