"""Clips in; rows, inner products and logits out."""
