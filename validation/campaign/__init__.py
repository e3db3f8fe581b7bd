"""Hostile inputs by number, each with its oracle: numbers that are right, or one sentence."""
