"""Concepts that nobody collected: stored rows in, candidate clips out."""
