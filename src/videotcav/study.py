"""A study file in, a run folder out, top to bottom."""
