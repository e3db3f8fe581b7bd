"""Files ↔ frames: the only room that knows a decoder."""
