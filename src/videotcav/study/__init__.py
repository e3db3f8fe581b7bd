"""A question asked of a model: the file that states it, what it needs, the run."""
