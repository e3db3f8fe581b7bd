"""Results → figures and one self-contained HTML page; recomputes nothing."""

from videotcav.report.cautions import cautions
from videotcav.report.notebook_view import results_html, results_table_text
from videotcav.report.page import write_report
from videotcav.report.run import Manifest, RunResults, read_run
from videotcav.report.sentences import answers

__all__ = [
    "Manifest",
    "RunResults",
    "answers",
    "cautions",
    "read_run",
    "results_html",
    "results_table_text",
    "write_report",
]
