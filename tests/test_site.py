"""The docs as a site: what its build refuses. That the site is built strictly, `make check` holds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed")
ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("site_hook", ROOT / ".ci" / "site.py")
assert spec is not None
assert spec.loader is not None
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)


@pytest.mark.parametrize(
    "load",
    [
        '<script src="https://x.org/a.js"></script>',
        "<script src='//x.org/a.js'></script>",
        '<link rel="stylesheet" href="https://x.org/a.css">',
        '<link rel="preconnect" href="https://x.org" crossorigin>',
        '<img src="local.png" srcset="https://x.org/a.png 2x">',
        "<img src=http://x.org/a.png>",
        '<video poster="https://x.org/a.png"></video>',
        '<iframe src="HTTPS://x.org"></iframe>',
        "<style>@import 'https://x.org/a.css';</style>",
        '<p style="background: url(https://x.org/a.png)">',
    ],
)
def test_a_page_that_loads_from_elsewhere_is_refused(load: str) -> None:
    (found,) = hook.loaded_from_elsewhere(f"<html><body>{load}</body></html>")
    assert "//x.org" in found.lower()


@pytest.mark.parametrize(
    "page",
    [
        '<a href="https://x.org">a link</a>',
        '<link rel="canonical" href="https://x.org/page/">',
        '<script src="../assets/a.js"></script><img src="data:image/svg+xml,http://www.w3.org/2000/svg">',
        "<pre>curl https://x.org</pre>",
    ],
)
def test_links_and_files_of_the_site_itself_are_not_meant(page: str) -> None:
    assert hook.loaded_from_elsewhere(page) == []
