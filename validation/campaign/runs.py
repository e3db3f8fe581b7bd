"""Folders of finished runs, and rows that wait for a run to go on, damaged."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from validation.campaign import damage
from validation.campaign.damage import Rng
from validation.campaign.videos import encoded, pictures
from videotcav.engine.run_store import scratch
from videotcav.engine.store import Store
from videotcav.errors import VideotcavWarning
from videotcav.features.measure import Batch, Measured, measure
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard
from videotcav.report.comparison import comparison_sentences, read_comparison, write_comparison_page
from videotcav.report.page import write_report
from videotcav.results.read import RunResults
from videotcav.study.audit import audit
from videotcav.study.comparison import compare
from videotcav.study.read_file import read_study_file
from videotcav.study.run import Study

STUDY = """question = "Does the racket matter?"
layers = ["0", "2"]
hypotheses = ["racket: dynamic > frozen"]
[model]
name = "small"
[classes.swing]
videos = ["class"]
[concepts]
folder = "concepts"
[random]
folder = "random"
[tests]
minimum_clips = 5
"""
SPEC = ClipSpec(frames=2, seconds_between_frames=0.04, height=8, width=8, resize=8)
LAYERS = ("0", "2")


def _small(seed: int) -> VideoModel:
    """A network of two convolutions with weights that are the same each time."""
    module = nn.Sequential(
        nn.Conv3d(3, 4, (1, 3, 3)), nn.Tanh(), nn.Conv3d(4, 4, (2, 3, 3)), nn.Flatten(), nn.Linear(64, 2)
    )
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    layouts = dict.fromkeys(LAYERS, "b c t h w")
    card = ModelCard(name=f"small {seed}", clip_spec=SPEC, classes=("swing", "rest"), layouts=layouts)
    return load_model(module, card=card)


# --- finished runs -----------------------------------------------------------------------------------------------


@cache
def whole_comparison() -> Path:
    """What `videotcav run` leaves of a study that names two models: a comparison, with a run of each inside."""
    folder = damage.kept_folder()
    rng = np.random.default_rng(4)
    places = {"class": 4, "random": 24, "concepts/racket/spatiotemporal": 6, "concepts/racket/frozen": 6}
    for place, count in places.items():
        (folder / place).mkdir(parents=True)
        for number in range(count):
            encoded(folder / place / f"{number}.mp4", pictures(rng, frames=2, height=16, width=16))
    (folder / "study.toml").write_text(STUDY)
    file = read_study_file(folder / "study.toml")
    compare([Study(file, _small(seed)) for seed in (1, 2)], folder / "compared")
    return folder / "compared"


def _read(folder: Path) -> object:
    """Everything that reads a comparison and the runs in it; what they say, and the pages they write."""
    run = folder / "models" / "small-1"
    found = RunResults.read(run)
    compared = read_comparison(folder)
    facts, standings = compared.facts, compared.standings
    return (
        *(found.manifest, found.results, found.declaration, repr(found), found._repr_html_()),
        *(write_report(run).read_bytes(), audit(run)),
        *(standings, comparison_sentences(facts, standings), write_comparison_page(folder).read_bytes()),
    )


@cache
def _whole_reading() -> object:
    folder = damage.kept_folder()
    return _read(Path(shutil.copytree(whole_comparison(), folder / "run")))


def _folder(change: Callable[[Path, Rng], None]) -> Callable[[Path, Rng], str]:
    """`same` where all is read as it was written; a changed number among results or standings is `wrong`."""

    def attempt(folder: Path, rng: Rng) -> str:
        here = Path(shutil.copytree(whole_comparison(), folder / "run"))
        change(here, rng)
        found, truth = _read(here), _whole_reading()
        if found == truth:
            return "same"
        return "unknowable" if _numbers(found) == _numbers(truth) else "wrong"

    return attempt


def _numbers(reading: Any) -> object:
    _, results, *_, standings, _, _ = reading
    return results, standings


def _any_of(pattern: str, change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], None]:
    def apply(folder: Path, rng: Rng) -> None:
        path = _one_of(folder, pattern, rng)
        path.write_bytes(change(path.read_bytes(), rng))

    return apply


def _one_of(folder: Path, pattern: str, rng: Rng) -> Path:
    """A file of the comparison itself, or of the run that is read."""
    found = sorted([*folder.glob(pattern), *(folder / "models" / "small-1").glob(pattern)])
    return found[int(rng.integers(len(found)))]


def _gone(folder: Path, rng: Rng) -> None:
    _one_of(folder, "*.*", rng).unlink()


def _something_else(folder: Path, rng: Rng) -> None:
    """A folder, a loop or a link that leads nowhere in the place of a file."""
    path = _one_of(folder, "*.*", rng)
    path.unlink()
    match int(rng.integers(3)):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to(path)
        case 2:
            path.symlink_to(folder / "gone")


def _media(folder: Path, rng: Rng) -> None:
    media = sorted((folder / "models/small-1/media").iterdir())
    path = media[int(rng.integers(len(media)))]
    path.unlink() if rng.random() < 0.5 else path.write_bytes(damage.truncated(path.read_bytes(), rng))


def _another_fact(folder: Path, rng: Rng) -> None:
    """A manifest or a declaration in which a key has another value, at any depth."""
    path = _one_of(folder, "*.json", rng)
    facts = json.loads(path.read_text())
    place = facts
    while True:
        key = rng.choice(list(place)) if isinstance(place, dict) else int(rng.integers(len(place)))
        if not (isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7):
            break
        place = place[key]
    texts = ("", "../../etc/passwd", "<script>", "x" * 3000, "\ud800")
    values: tuple[Any, ...] = (None, [], {}, -1, 1e308, float("nan"), [[1]], *texts)
    place[key] = values[int(rng.integers(len(values)))]
    path.write_text(json.dumps(facts))


def _another_table(folder: Path, rng: Rng) -> None:
    """Parquet that is whole and holds something else."""
    path = _one_of(folder, "*.parquet", rng)
    table = pq.read_table(path)
    name = str(rng.choice(table.column_names))
    rows = table.num_rows
    match int(rng.integers(5)):
        case 0:
            table = table.drop_columns([name])
        case 1:
            table = table.slice(0, int(rng.integers(rows)))
        case 2:
            table = table.set_column(table.column_names.index(name), name, pa.array([float("nan")] * rows))
        case 3:
            table = table.set_column(table.column_names.index(name), name, pa.array(["?"] * rows))
        case 4:
            table = pa.table({"a": [1]})
    pq.write_table(table, path)


FOLDERS: dict[str, Callable[[Path, Rng], str]] = {
    **{f"results {name}": _folder(_any_of("*.parquet", change)) for name, change in damage.BYTES.items()},
    **{f"facts {name}": _folder(_any_of("*.json", change)) for name, change in damage.BYTES.items()},
    "page truncated": _folder(_any_of("report.html", damage.truncated)),
    "other facts": _folder(_another_fact),
    "other results": _folder(_another_table),
    "file gone": _folder(_gone),
    "no file in its place": _folder(_something_else),
    "media damaged": _folder(_media),
}


# --- rows that wait ----------------------------------------------------------------------------------------------


def _measured(store: Store) -> Measured:
    generator = torch.Generator().manual_seed(6)
    batches = [
        Batch(tuple(f"{name} {index}" for index in range(6)), torch.randn(6, 3, 2, 8, 8, generator=generator), name)
        for name in (None, "swing")
    ]
    return measure(_small(1), batches, classes=("swing",), layers=LAYERS, pooling="none", store=store)


@cache
def _whole_rows() -> tuple[Path, list[bytes]]:
    """A folder of rows as a killed run leaves it, and the numbers that they lead to."""
    folder = damage.kept_folder()
    return folder, _bytes(_measured(Store(folder)))


def _bytes(measured: Measured) -> list[bytes]:
    arrays = [each for gram in measured.grams.values() for each in (gram.kernel, gram.cross, gram.gradients)]
    return [each.tobytes() for each in [*arrays, *measured.logits.values()]]


def _store(change: Callable[[Path, Rng], None]) -> Callable[[Path, Rng], str]:
    """A run that goes on from what lies there; `same` where its numbers are those of a run that found nothing."""

    def attempt(folder: Path, rng: Rng) -> str:
        rows, truth = _whole_rows()
        here = Path(shutil.copytree(rows, folder / ".run-rows"))
        change(here, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VideotcavWarning)  # that damaged rows are left out
            with scratch(here) as store:
                return "same" if _bytes(_measured(store)) == truth else "wrong"

    return attempt


def _shard(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], None]:
    def apply(folder: Path, rng: Rng) -> None:
        for path in sorted(folder.glob("*/*")):
            if rng.random() < 0.5:
                path.write_bytes(change(path.read_bytes(), rng))

    return apply


def _head(data: bytes, rng: Rng) -> bytes:
    return damage.flipped(data, rng, high=400)


def _under_others_names(folder: Path, rng: Rng) -> None:
    """Shards in each other's place, within their recipe or beyond it."""
    paths = sorted(folder.glob("*/*.safetensors"))
    first, second = (paths[int(place)] for place in rng.choice(len(paths), 2, replace=False))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def _strangers(folder: Path, rng: Rng) -> None:
    """What killed runs, file managers and people leave."""
    shelf = min(path for path in folder.iterdir() if path.is_dir())
    (shelf / ".0123.tmp").write_bytes(rng.bytes(99))
    (shelf / ".DS_Store").write_bytes(rng.bytes(99))
    (shelf / "notes.safetensors").write_bytes(rng.bytes(99))
    (shelf / "folder.safetensors").mkdir()
    (shelf / "loop.safetensors").symlink_to(shelf / "loop.safetensors")
    (folder / "readme").write_text("mine")


def _folders_instead(folder: Path, rng: Rng) -> None:
    paths = [path for path in sorted(folder.glob("*/*")) if rng.random() < 0.5]
    for path in paths:
        path.unlink()
        path.mkdir()


def _file_instead(folder: Path, rng: Rng) -> None:
    shelves = sorted(path for path in folder.iterdir() if path.is_dir())
    shelf = shelves[int(rng.integers(len(shelves)))]
    shutil.rmtree(shelf)
    shelf.write_bytes(rng.bytes(9))


STORES: dict[str, Callable[[Path, Rng], str]] = {
    **{name: _store(_shard(change)) for name, change in damage.BYTES.items()},
    "bits of the head flipped": _store(_shard(_head)),
    "under others' names": _store(_under_others_names),
    "strangers": _store(_strangers),
    "folders in files' place": _store(_folders_instead),
    "a file in a folder's place": _store(_file_instead),
}
