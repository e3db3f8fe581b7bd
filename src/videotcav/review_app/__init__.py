"""The web page on which a person verifies concept clips: an optional extra."""
