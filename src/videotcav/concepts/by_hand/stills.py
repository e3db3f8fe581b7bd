"""Still pictures → spatial concept clips: each held for some frames, and that person's decision."""

from __future__ import annotations

import datetime as dt
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from videotcav.concepts.by_hand.mark import BY_HAND, MarkedClip, name_of, record_acceptance, require_table, source_of
from videotcav.concepts.folder import ClipRecord, as_json, held_folder, read_records, write_records
from videotcav.concepts.propose.crop import hold
from videotcav.concepts.review.decisions import checked_name
from videotcav.errors import ConceptError, VideotcavWarning
from videotcav.outputs import file_sha256, refuse_overwriting
from videotcav.video.write import write_video

LONGEST_SIDE_PIXELS = 1920
"""Larger pictures are scaled down to this: no model sees more, and a film of them fills memory."""

_FRAMES, _RATE = 16, 16.0
_FORMATS = ("JPEG", "PNG", "WEBP")


def mark_stills(
    pictures: Path | str | Sequence[Path | str], output: Path | str, *, concept: str, reviewer: str
) -> list[MarkedClip]:
    """What was added to the concept folder `output`: a spatial clip of each picture, accepted by `reviewer`.

    `pictures` are JPEG, PNG and WebP files, known by their content, or folders of them; each is a source of its own. A
    picture shows no motion: there are no moving, frozen, shuffled or reversed clips of it. What is added already is not
    added again. Raises ConceptError.
    """
    concept, reviewer, folder = checked_name(concept), checked_name(reviewer), Path(output)
    read = [(path, _pixels(path)) for path in _files(pictures)]
    folder.mkdir(parents=True, exist_ok=True)
    added: list[MarkedClip] = []
    with held_folder(folder):
        records = read_records(folder)
        if not records:
            require_table(folder)
        for path, pixels in read:
            sha256 = file_sha256(path)
            clip_id = f"{name_of(path, sha256, records)}-still"
            name = f"{concept}/spatial/{clip_id}.mp4"
            record = next((record for record in records if record.file_name == name), None)
            if record is None:
                refuse_overwriting([folder / name])
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_video(folder / name, hold(pixels, _FRAMES), frames_per_second=_RATE)
                height, width = pixels.shape[:2]
                record = ClipRecord(
                    file_name=name,
                    id=clip_id,
                    concept=concept,
                    kind="spatial",
                    label=concept,
                    source=source_of(path, sha256, records),
                    source_sha256=sha256,
                    source_video=Path(os.path.relpath(path, folder)).as_posix(),
                    track="still",
                    frames=(0,) * _FRAMES,
                    boxes=((0.0, 0.0, float(width), float(height)),) * _FRAMES,
                    scores=(1.0,) * _FRAMES,
                    frames_per_second=_RATE,
                    width=width,
                    height=height,
                    detector=BY_HAND,
                    detector_sha256="",
                    recipe=as_json({"detector": BY_HAND, "still": True, "longest_side_pixels": LONGEST_SIDE_PIXELS}),
                    who=reviewer,
                    when=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                )
                records.append(record)
                write_records(folder, records)
            sentence = f"A still picture, held for {_FRAMES} frames."
            added.append(MarkedClip(concept=concept, id=clip_id, clips=(record,), sentence=sentence))
    for one in added:
        record_acceptance(folder, concept, one.id, reviewer=reviewer)
    return added


def _files(pictures: Path | str | Sequence[Path | str]) -> list[Path]:
    found: list[Path] = []
    for place in [Path(each) for each in ([pictures] if isinstance(pictures, str | Path) else pictures)]:
        if not place.is_dir():
            found.append(place)
            continue
        files = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
        inside = [path for path in files if _is_picture(path)]
        if not inside:
            raise ConceptError(f"{place}: holds no JPEG, PNG or WebP picture")
        if left := len(files) - len(inside):
            told = f"{place}: {left} files are no JPEG, PNG or WebP pictures and are left out; {len(inside)} are taken"
            warnings.warn(told, VideotcavWarning, stacklevel=3)
        found += inside
    return list(dict.fromkeys(found))


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path, formats=_FORMATS):
            return True
    except (OSError, Image.DecompressionBombError):
        return False


def _pixels(path: Path) -> np.ndarray:
    """The picture as it is meant to be seen, uint8 `height width 3`; what is transparent is grey."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as picture:
                # a telephone's JPEG may hold a second picture (MPO)
                if picture.format != "MPO" and getattr(picture, "is_animated", False):
                    raise ConceptError(f"{path}: moves, so it is no still picture: mark it as a video")
                upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except UnidentifiedImageError:
        raise ConceptError(
            f"{path}: is no JPEG, PNG or WebP picture; what moves is marked with `mark_clip`, as every kind of clip"
        ) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ConceptError(f"{path}: has too many pixels to be read; save it smaller") from None
    except (OSError, SyntaxError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConceptError(f"{path}: cannot be read as a picture ({said})") from None
    upright.thumbnail((LONGEST_SIDE_PIXELS, LONGEST_SIDE_PIXELS), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", upright.size, (124, 116, 104, 255))
    return np.asarray(Image.alpha_composite(ground, upright).convert("RGB"))
