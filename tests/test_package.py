"""What a user gets who has no checkout: a wheel with all it needs, a README whose links lead somewhere, a citation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCE = PROJECT["urls"]["Source"]
RAW = SOURCE.replace("//github.com", "//raw.githubusercontent.com")
OWN = re.compile(rf"(?:{re.escape(SOURCE)}/(?:blob|tree)|{re.escape(RAW)})/main/")


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="setuptools 77, which builds the wheel, is not installed")
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", source / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md", "CITATION.cff"):
        shutil.copy(ROOT / name, source / name)
    code = "import setuptools.build_meta as build, sys; build.build_wheel(sys.argv[1])"
    built = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}
        assert packed == {str(path.relative_to(source / "src")) for path in _files(source / "src")}
        assert {"videotcav/py.typed", "videotcav/planted/weights/swin.safetensors"} <= packed
        for name in packed:
            assert archive.read(name) == (ROOT / "src" / name).read_bytes()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "egg-info" not in str(path)]


def links(text: str) -> list[tuple[str, str]]:
    """Each link of a page with "!" before those that are pictures."""
    return [(found[1], found[2]) for found in re.finditer(r"(!?)\[[^\]]*\]\(([^)\s]+)\)", text)]


def test_links_of_the_readme_are_absolute_and_lead_to_files_that_are_there() -> None:
    """A package index shows it without the repository around it; pictures come as they are, not in a page."""
    found = links(README)
    assert len(found) > 20
    for picture, target in found:
        own = OWN.match(target)
        assert own or (target.startswith("https://") and not picture), target
        if own:
            assert (ROOT / target[own.end() :].partition("#")[0]).exists(), target
            assert ("raw." in own[0]) == bool(picture), target
    assert SOURCE in README.partition("```bibtex")[2]


def test_links_are_found_wherever_they_stand() -> None:
    assert links("![a](b.gif) and [c](d.md)\n([e](#f))") == [("!", "b.gif"), ("", "d.md"), ("", "#f")]


def test_the_first_picture_moves_and_is_small() -> None:
    picture, target = links(README)[0]
    own = OWN.match(target)
    assert picture
    assert own
    path = ROOT / target[own.end() :]
    assert path.stat().st_size <= 2**20
    with Image.open(path) as film:
        assert film.n_frames > 5
        assert film.info["loop"] == 0  # for ever
    assert README.index(target) < README.index("## ")


def test_install_lines_come_before_the_two_commands() -> None:
    install, make = README.index("    pip install"), README.index("    make demo")
    assert install < make < README.index("    make test")
    assert re.search(
        r"^    pip install torch torchvision --index-url \S+/cpu && pip install videotcav ", README, re.MULTILINE
    )


def test_every_extra_that_a_user_may_want_is_explained() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert told == set(PROJECT["optional-dependencies"]) - {"dev", "peers", "test"}


def test_the_citation_is_of_this_version_and_in_both_forms_the_same() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys()  # what its schema asks for
    assert cited["version"] == PROJECT["version"]
    assert cited["license"] == PROJECT["license"]
    assert cited["repository-code"] == SOURCE
    (paper,) = cited["references"]
    tool, article = README.partition("```bibtex\n")[2].partition("```")[0].split("\n\n")
    assert f"title = {{{cited['title']}}}" in tool
    assert f"version = {{{PROJECT['version']}}}" in tool
    assert f"title = {{{paper['title']}}}" in article
    people = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
    assert f"author = {{{people}}}" in article
    assert "2404.09067" in paper["url"]
    assert "2404.09067" in article


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("videotcav pr", {"probe"}),
        ("videotcav concepts re", {"review"}),
        ("videotcav run --st", {"--store"}),
        ("videotcav run --engine ", {"local", "ray"}),
    ],
)
def test_the_shell_completes_commands_options_and_choices(typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    asked = {"_VIDEOTCAV_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    code = "import sys; sys.argv = ['videotcav']; from videotcav.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert set(run.stdout.split()) == offered, run.stderr


def test_completion_is_told_where_it_is_installed() -> None:
    code = "import sys; sys.argv = ['videotcav', '--show-completion', 'bash']; from videotcav.cli import main; main()"
    # The shell is named, not looked for among the parent processes: the tests may have none.
    named = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=named)
    assert "_VIDEOTCAV_COMPLETE=complete_bash" in run.stdout
    assert "videotcav --install-completion" in README
