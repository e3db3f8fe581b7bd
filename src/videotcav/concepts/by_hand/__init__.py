"""Concept clips that a person marks in videos, without any detector."""
