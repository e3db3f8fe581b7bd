"""The bundled ground truth: scenes rendered from factors, and the small Video Swin trained on them."""
