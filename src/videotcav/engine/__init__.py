"""Where passes run, and where what they produce is kept."""
