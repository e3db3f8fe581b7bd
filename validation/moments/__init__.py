"""Events at different moments: a network that finds cuts, and films cut by us."""
