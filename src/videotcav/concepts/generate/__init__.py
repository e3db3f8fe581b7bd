"""Text-to-video models → candidate clips: prompts, the pipeline that shows them, the folder they land in."""
