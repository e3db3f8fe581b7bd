"""Results → figures and one self-contained HTML page; recomputes nothing."""
