"""The proof: planted scenes, models trained on rules that we choose, and how often the statistics are right."""
