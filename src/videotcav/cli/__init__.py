"""One short function a command; sentences, progress and exit codes for people and for machines."""

from videotcav.cli.main import main

__all__ = ["main"]
