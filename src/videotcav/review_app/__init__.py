"""The web page on which a person verifies concept clips: an optional extra (`review`)."""

from videotcav.review_app.serve import launch

__all__ = ["launch"]
