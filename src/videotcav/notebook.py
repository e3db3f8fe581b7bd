"""The verbs of a notebook."""
