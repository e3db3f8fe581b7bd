"""Intervals, nulls, corrections, verdicts."""
