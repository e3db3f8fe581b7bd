"""One file a question: what is held against what."""
