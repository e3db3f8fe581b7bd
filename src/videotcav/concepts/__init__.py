"""Frames → concept sets: detections, tracks, crops, twins, review, folders."""
