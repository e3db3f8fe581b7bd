"""Results → figures and one self-contained page; recomputes nothing."""
