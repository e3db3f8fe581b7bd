"""Paper mode: a study as *Exploring Explainability in Video Action Recognition* (arXiv 2404.09067) would run it."""

from videotcav.paper.run import run_paper

__all__ = ["run_paper"]
