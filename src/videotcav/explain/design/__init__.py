"""What is asked of which clips: draws, settings, hypotheses."""
