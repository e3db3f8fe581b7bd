"""What is held against the tool: planted networks whose truth is known, and inputs that are meant to break it."""
