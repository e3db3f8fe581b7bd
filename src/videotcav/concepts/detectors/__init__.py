"""Sources of boxes: YOLO networks, transformers detectors, and boxes from files."""
