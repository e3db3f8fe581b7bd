"""Where objects are in clips: boxes by hand, resizing as oracle, planted scenes there and back, films of any rate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch.nn import functional

from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.detectors.masks import Mask
from videotcav.concepts.propose.track import Track
from videotcav.errors import ArgumentError, BoxesError, NotFound, TrackNotFound
from videotcav.interventions.clips import edit_clips
from videotcav.interventions.locate import objects_of, objects_of_labels
from videotcav.interventions.tracks import beside, object_masks
from videotcav.planted.factors import sample_scene
from videotcav.planted.scenes import masks as planted_masks
from videotcav.records import Box, ClipSpec
from videotcav.video.clips import _crop, read_clip, read_clips, to_source
from videotcav.video.info import ClipOrigin, VideoInfo

WHOLE = ClipSpec(frames=4, seconds_between_frames=0.1, height=100, width=100, resize=100)


def origin(spec: ClipSpec, *, height: int = 100, width: int = 200, frames: int = 40, side: float = 0.5) -> ClipOrigin:
    """A clip as it is read of a video of that size."""
    video = VideoInfo(
        path=Path("film.mp4"),
        sha256="0",
        width=width,
        height=height,
        duration_seconds=frames / 10,
        frames_per_second=10,
    )
    crop = _crop(height, width, spec, side)
    rows, columns = height / crop.height, width / crop.width
    return ClipOrigin(
        video=video,
        timestamps=tuple(0.1 * frame for frame in range(spec.frames)),
        top=crop.top * rows,
        left=crop.left * columns,
        pixels_per_row=rows,
        pixels_per_column=columns,
    )


def box_track(boxes: dict[int, tuple[float, float, float, float]], **changes: object) -> Track:
    values = {
        "id": "1",
        "label": "racket",
        "frames": tuple(boxes),
        "scores": (1.0,) * len(boxes),
        "boxes": tuple(Box(left=le, top=to, right=ri, bottom=bo) for le, to, ri, bo in boxes.values()),
    }
    return Track(**(values | changes))


def mask_track(masks: dict[int, np.ndarray], *, label: str = "racket") -> Track:
    found = {frame: Mask.of(mask) for frame, mask in masks.items()}
    edges = {frame: mask.edges or (0, 0, 1, 1) for frame, mask in found.items()}
    return box_track(edges, masks=tuple(found.values()), label=label)


def rectangle(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    picture = np.zeros(shape, dtype=bool)
    picture[rows, columns] = True
    return picture


# --- boxes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box_error", "rows", "columns"),
    [(0.0, slice(20, 60), slice(10, 30)), (0.1, slice(16, 64), slice(8, 32)), (0.5, slice(0, 80), slice(0, 40))],
)
def test_a_box_lands_where_the_crop_shows_it_grown_on_each_side(box_error: float, rows: slice, columns: slice):
    """The crop of 100×100 begins at column 50 of 200; 10 % of 20 × 40 pixels are 2 × 4 on each side."""
    found = object_masks([box_track({0: (60, 20, 80, 60)})], origin(WHOLE), [0], WHOLE, box_error=box_error)
    np.testing.assert_array_equal(found.masks[0], rectangle((100, 100), rows, columns))
    assert (found.frames, found.interpolated, found.by_mask) == (1, 0, 0)


def test_a_box_in_a_smaller_picture_covers_all_pixels_that_are_made_of_it():
    """200 → 50 pixels, four to one and two of the four mixed: columns 4j + 1 and 4j + 2. The box has 21 to 30."""
    spec = WHOLE.model_copy(update={"resize": (25, 50), "height": 25, "width": 50})
    found = object_masks([box_track({0: (21, 0, 31, 100)})], origin(spec), [0], spec, box_error=0)
    assert np.flatnonzero(found.masks[0].all(axis=0)).tolist() == [5, 6, 7]
    with_antialias = spec.model_copy(update={"antialias": True})  # 4j − 2 to 4j + 5
    found = object_masks([box_track({0: (21, 0, 31, 100)})], origin(spec), [0], with_antialias, box_error=0)
    assert np.flatnonzero(found.masks[0].all(axis=0)).tolist() == [4, 5, 6, 7, 8]


def test_padding_is_never_the_objects():
    spec = WHOLE.model_copy(update={"height": 140, "width": 240})
    found = object_masks([box_track({0: (-9, -9, 999, 999)})], origin(spec), [0], spec)
    np.testing.assert_array_equal(found.masks[0], rectangle((140, 240), slice(20, 120), slice(20, 220)))


# --- masks ---------------------------------------------------------------------------------------------------------

SPECS = {
    "smaller": {"resize": 37, "height": 30, "width": 33},
    "smaller, antialiased": {"resize": 37, "height": 30, "width": 33, "antialias": True},
    "larger": {"resize": 130, "height": 120, "width": 140},
    "another shape": {"resize": (50, 40), "height": 44, "width": 40, "crop_rounding": "down"},
    "padded": {"resize": 37, "height": 60, "width": 100},
    "bicubic": {"resize": 61, "height": 50, "width": 50, "resampling": "bicubic", "antialias": True},
    "noise of floats": {"resize": (83, 130), "height": 83, "width": 130, "antialias": True},
    "one to one": {},
}


@pytest.mark.parametrize("change", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("side", [0.0, 0.5, 1.0])
def test_a_pixel_is_the_objects_where_resizing_gives_the_object_a_share_in_it(change: dict[str, object], side: float):
    spec = WHOLE.model_copy(update=change)
    clip = origin(spec, height=96, width=150, side=side)
    source = np.random.default_rng(0).random((96, 150)) < 0.004
    source[40:52, 60:75] = True
    found = object_masks([mask_track({0: source})], clip, [0], spec, mask_error=0)
    size = (round(96 / clip.pixels_per_row), round(150 / clip.pixels_per_column))
    shares = functional.interpolate(
        torch.from_numpy(source)[None, None].double(),
        size=size,
        mode=spec.resampling,
        align_corners=False,
        antialias=spec.antialias,
    )[0, 0]
    crop = _crop(96, 150, spec, side)
    edges = (-crop.left, crop.left + spec.width - size[1], -crop.top, crop.top + spec.height - size[0])
    truth = functional.pad(shares, edges).abs() > 1e-9
    np.testing.assert_array_equal(found.masks[0], truth.numpy())


def test_a_mask_is_grown_by_source_pixels():
    source = rectangle((100, 200), slice(40, 50), slice(90, 100))
    found = object_masks([mask_track({0: source})], origin(WHOLE), [0], WHOLE)
    np.testing.assert_array_equal(found.masks[0], rectangle((100, 100), slice(39, 51), slice(39, 51)))
    assert found.by_mask == 1


# --- tracks --------------------------------------------------------------------------------------------------------


def test_missing_frames_lie_on_a_line_are_told_and_nothing_is_there_before_and_after():
    track = box_track({2: (60, 10, 70, 20), 6: (100, 50, 110, 60)})
    found = object_masks([track], origin(WHOLE), [0, 2, 3, 5, 6, 7], WHOLE, box_error=0)
    centres = [np.argwhere(frame).mean(axis=0).tolist() if frame.any() else None for frame in found.masks]
    assert centres == [None, [14.5, 14.5], [24.5, 24.5], [44.5, 44.5], [54.5, 54.5], None]
    assert (found.frames, found.interpolated) == (4, 0.5)


def test_between_two_masks_both_are_carried_along():
    """A bar that turns from upright to flat while its centre moves from (20, 70) to (20, 110)."""
    upright = rectangle((100, 200), slice(10, 30), slice(69, 71))
    flat = rectangle((100, 200), slice(19, 21), slice(100, 120))
    found = object_masks([mask_track({0: upright, 2: flat})], origin(WHOLE), [1], WHOLE, mask_error=0)
    both = rectangle((100, 100), slice(10, 30), slice(39, 41)) | rectangle((100, 100), slice(19, 21), slice(30, 50))
    np.testing.assert_array_equal(found.masks[0], both)
    assert (found.interpolated, found.by_mask) == (1, 1)


def test_several_tracks_are_one_object_and_a_hidden_one_adds_nothing():
    hidden = np.zeros((100, 200), dtype=bool)
    seen = rectangle((100, 200), slice(40, 50), slice(90, 100))
    tracks = [box_track({0: (60, 10, 70, 20), 1: (60, 10, 70, 20)}), mask_track({1: hidden, 2: seen})]
    found = object_masks(tracks, origin(WHOLE), [0, 1, 2], WHOLE, box_error=0, mask_error=0)
    assert found.masks.sum(axis=(1, 2)).tolist() == [100, 100, 100]
    assert (found.frames, found.interpolated, found.by_mask) == (3, 0, 1 / 3)


@pytest.mark.parametrize(
    ("tracks", "shown", "error", "sentence"),
    [
        ([], [0, 9], TrackNotFound, "film.mp4 in frames 0 to 9 has no track of what is to be edited"),
        (
            [box_track({20: (60, 10, 70, 20)})],
            [0, 9],
            TrackNotFound,
            "no track of 'racket': its tracks lie in frames 20",
        ),
        ([box_track({0: (0, 0, 30, 20)})], [0], TrackNotFound, "or outside the part that the model is shown"),
        (
            [box_track({40: (60, 10, 70, 20)})],
            [0],
            BoxesError,
            "a box in frame 40 of film.mp4, whose frames are 0 to 39",
        ),
        ([box_track({-1: (60, 10, 70, 20)})], [0], BoxesError, "a box in frame -1"),
        ([mask_track({0: np.ones((9, 8), bool)})], [0], BoxesError, "is of 8×9 pixels, and film.mp4 of 200×100"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tracks: list[Track], shown: list[int], error: type[Exception], sentence: str
):
    with pytest.raises(error, match=sentence):
        object_masks(tracks, origin(WHOLE), shown, WHOLE)


@pytest.mark.parametrize("growth", [{"box_error": -0.1}, {"mask_error": float("nan")}, {"box_error": float("inf")}])
def test_a_growth_that_is_none_is_refused(growth: dict[str, float]):
    with pytest.raises(ArgumentError, match="by how much the object is grown, 0 or more"):
        object_masks([box_track({0: (60, 10, 70, 20)})], origin(WHOLE), [0], WHOLE, **growth)


# --- from files and detectors --------------------------------------------------------------------------------------


def film(path: Path, frames: np.ndarray, milliseconds: Sequence[int]) -> Path:
    """A film without loss, each of whose frames goes on show when it is said to."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(1000))
        stream.pix_fmt, stream.height, stream.width = "bgr0", *frames.shape[1:3]
        stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, at in zip(frames, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def coco_of(
    path: Path,
    videos: dict[str, np.ndarray],
    *,
    label: str = "racket",
    missing: Sequence[int] = (),
    balls: dict[str, np.ndarray] | None = None,
) -> Path:
    """COCO JSON of one object a video, with its masks; `balls` are another one in the same video."""
    content: dict[str, list[dict[str, object]]] = {"videos": [], "images": [], "annotations": []}
    for number, (name, masks) in enumerate(videos.items()):
        content["videos"].append({"id": number, "file_name": name})
        for frame in range(len(masks)):
            image = 1000 * number + frame
            content["images"].append({"id": image, "video_id": number, "frame_index": frame})
            for category, pictures in ((1, masks), (2, (balls or {}).get(name))):
                mask = Mask.of(np.zeros((1, 1), bool) if pictures is None else pictures[frame])
                if mask.edges is None or frame in missing:
                    continue
                left, top, right, bottom = mask.edges
                content["annotations"].append(
                    {
                        "image_id": image,
                        "category_id": category,
                        "track_id": 2 * number + category,
                        "bbox": [left, top, right - left, bottom - top],
                        "segmentation": mask.rle,
                    }
                )
    path.write_text(json.dumps(content | {"categories": [{"id": 1, "name": label}, {"id": 2, "name": "ball"}]}))
    return path


TIMES = (0, 100, 150, 400, 450, 460, 700, 1000, 1040, 1200)
SPEC = ClipSpec(frames=5, seconds_between_frames=0.2, height=40, width=40, resize=48)


@pytest.mark.parametrize("seed", [1, 5])
def test_a_mask_that_is_painted_as_a_film_of_any_rate_and_read_as_a_clip_is_the_same_mask(tmp_path: Path, seed: int):
    """What is bright in the clip is in the mask; what is in the mask is bright, or beside it."""
    scene = sample_scene(np.random.default_rng(seed), class_name="swing", grain=0.0)
    truth = planted_masks(scene, height=96, width=128, frames=len(TIMES))["actor"]
    path = film(tmp_path / "scene.mkv", np.repeat(255 * truth[..., None].astype(np.uint8), 3, axis=-1), TIMES)
    clip, pixels = read_clip(path, SPEC)
    located = objects_of([clip], SPEC, coco_of(tmp_path / "boxes.json", {"scene.mkv": truth}), "racket", mask_error=0)
    (found,) = located.objects
    assert found is not None
    bright = (pixels[0].numpy() * SPEC.std[0] + SPEC.mean[0]) > 0.5 / 255
    assert (found.masks >= bright).all()
    assert (found.masks & ~bright).mean() < 0.01
    assert len({frame.tobytes() for frame in bright}) > 3  # the object moves: another frame would be seen
    back = to_source(found.masks.astype(np.float32), clip) > 0
    inside = to_source(np.ones_like(found.masks, dtype=np.float32), clip) > 0
    from_times = [int(np.searchsorted(TIMES, 1000 * at + 1e-6, side="right")) - 1 for at in clip.timestamps]
    assert (back >= (truth[from_times] & inside)).all()
    assert (found.interpolated, found.by_mask, located.missing) == (0, 1, {})


def test_frames_that_a_file_leaves_out_are_told_as_interpolated(tmp_path: Path):
    truth = np.stack([rectangle((96, 128), slice(30, 60), slice(30 + 4 * t, 60 + 4 * t)) for t in range(10)])
    path = film(tmp_path / "scene.mkv", np.zeros((10, 96, 128, 3), np.uint8), [100 * t for t in range(10)])
    spec = SPEC.model_copy(update={"frames": 4})
    clip, _ = read_clip(path, spec, start_seconds=0.1)  # frames 1, 3, 5, 7
    boxes = coco_of(tmp_path / "boxes.json", {"scene.mkv": truth}, missing=[3])
    gappy, whole = (
        objects_of([clip], spec, file, "racket")
        for file in (boxes, coco_of(tmp_path / "all.json", {"scene.mkv": truth}))
    )
    assert (gappy.interpolated, whole.interpolated) == (0.25, 0)
    np.testing.assert_array_equal(gappy.objects[0].masks, whole.objects[0].masks)


def test_clips_without_the_object_are_counted_and_where_none_has_it_one_sentence_says_so(tmp_path: Path):
    black = np.zeros((10, 96, 128, 3), np.uint8)
    clips = [
        read_clip(film(tmp_path / f"{name}.mkv", black, [100 * t for t in range(10)]), SPEC)[0]
        for name in ("seen", "unseen", "unknown")
    ]
    seen = np.stack([rectangle((96, 128), slice(30, 60), slice(30, 60))] * 10)
    boxes = coco_of(tmp_path / "boxes.json", {"seen.mkv": seen, "unseen.mkv": np.zeros_like(seen)})
    located = objects_of(clips, SPEC, boxes, "racket")
    assert [found is not None for found in located.objects] == [True, False, False]
    assert set(located.missing) == {1, 2}
    assert located.missing[1] == "unseen.mkv has no track of 'racket'"
    assert "has no boxes for the video unknown.mkv" in located.missing[2]
    with pytest.raises(TrackNotFound, match=r"none of the 2 clips has an object 'racket'; the first: unseen\.mkv"):
        objects_of(clips[1:], SPEC, boxes, "racket")
    with pytest.raises(NotFound, match="has no label 'rackets'; closest: 'racket'"):
        objects_of(clips, SPEC, boxes, "rackets")


def test_several_labels_are_found_by_one_look_and_one_that_no_clip_has_is_counted(tmp_path: Path):
    truth = np.stack([rectangle((96, 128), slice(30, 60), slice(30, 60))] * 10)
    path = film(tmp_path / "scene.mkv", np.zeros((10, 96, 128, 3), np.uint8), [100 * t for t in range(10)])
    clip, _ = read_clip(path, SPEC)
    boxes = coco_of(tmp_path / "boxes.json", {"scene.mkv": truth})
    found = objects_of_labels([clip], SPEC, boxes, ["ball", "racket"])
    assert found["ball"].objects == (None,)
    assert found["ball"].missing == {0: "scene.mkv has no track of 'ball'; its tracks are of 'racket'"}
    assert found["ball"].interpolated == 0
    (alone,) = objects_of([clip], SPEC, boxes, "racket").objects
    np.testing.assert_array_equal(found["racket"].objects[0].masks, alone.masks)


def test_what_masks_say_of_other_objects_is_not_changed_by_an_edit_of_one(tmp_path: Path):
    """Racket and ball side by side; each pixel of a frame is told apart by its colour."""
    rows, still = slice(30, 60), np.zeros((10, 96, 128), bool)
    racket, ball = still.copy(), still.copy()
    racket[:, rows, 30:60], ball[:, rows, 60:90] = True, True
    frames = np.full((10, 96, 128, 3), 40, np.uint8)
    frames[racket], frames[ball] = 200, 120
    path = film(tmp_path / "scene.mkv", frames, [100 * t for t in range(10)])
    spec = ClipSpec(frames=5, seconds_between_frames=0.1, height=96, width=128, resize=96)
    clips = read_clips([path], spec)
    files = {
        name: coco_of(tmp_path / f"{name}.json", {path.name: racket}, balls=balls)
        for name, balls in (("both", {path.name: ball}), ("alone", None))
    }
    told, alone = (edit_clips(clips, file, "remove", label="racket") for file in files.values())
    change = {
        name: (each.pixels != clips.pixels).any(dim=1).numpy()[0] for name, each in (("told", told), ("alone", alone))
    }
    assert not change["told"][:, rows, 60:90].any()
    assert change["alone"][:, rows, 60:62].any()  # the negative control: the rim of the racket is the ball's
    assert change["told"][:, rows, 30:60].all()
    (seen,) = objects_of(list(clips.records), spec, files["both"], "racket").others
    np.testing.assert_array_equal(seen, ball[:5])
    frozen = edit_clips(clips, files["both"], "background removed", label="racket").pixels
    assert (frozen != clips.pixels).any(dim=1).numpy()[0][:, rows, 63:90].all()  # to a background the ball is one


def test_pixels_of_two_objects_are_those_of_the_one_that_is_edited_and_boxes_tell_of_no_pixel():
    whole = rectangle((100, 200), slice(10, 60), slice(60, 120))
    part = rectangle((100, 200), slice(20, 30), slice(70, 80))
    hand = object_masks([mask_track({0: part})], origin(WHOLE), [0], WHOLE, mask_error=0)
    person = object_masks([mask_track({0: whole})], origin(WHOLE), [0], WHOLE, mask_error=0)
    boxed = object_masks([box_track({0: (70, 20, 80, 30)})], origin(WHOLE), [0], WHOLE, box_error=0)
    np.testing.assert_array_equal(beside([hand], [hand, person]), person.masks & ~hand.masks)
    np.testing.assert_array_equal(beside([boxed], [boxed, person]), person.masks & ~boxed.masks)
    far = rectangle((100, 200), slice(10, 60), slice(130, 140))
    several = [box_track({0: (70, 20, 80, 30)}), mask_track({0: far})]
    both = object_masks(several, origin(WHOLE), [0], WHOLE, box_error=0, mask_error=0)
    np.testing.assert_array_equal(beside([both], [both, person]), person.masks & ~both.masks)
    ground = object_masks([mask_track({0: np.ones((100, 200), bool)})], origin(WHOLE), [0], WHOLE)
    for own, other in ((person, hand), (hand, boxed), (hand, ground)):
        assert beside([own], [own, other]) is None
    assert beside([hand, person], [hand, person]) is None


def test_a_file_of_another_version_of_a_video_is_refused(tmp_path: Path):
    clip, _ = read_clip(
        film(tmp_path / "scene.mkv", np.zeros((10, 96, 128, 3), np.uint8), [100 * t for t in range(10)]), SPEC
    )
    other_size = coco_of(tmp_path / "size.json", {"scene.mkv": np.ones((10, 48, 64), bool)})
    with pytest.raises(BoxesError, match="is of 64×48 pixels, and the video of 128×96"):
        objects_of([clip], SPEC, other_size, "racket")
    longer = coco_of(tmp_path / "longer.json", {"scene.mkv": np.ones((12, 96, 128), bool)})
    with pytest.raises(BoxesError, match=r"has boxes in frame 11 of scene\.mkv, whose last frame is 9"):
        objects_of([clip], SPEC, longer, "racket")


class Bright:
    """A detector that boxes what is bright, and misses it in some frames."""

    name, sha256, labels, knows_instances = "bright", "1", ("racket", "ball"), False
    settings: dict[str, str | float] = {}  # noqa: RUF012 - as a Detector has it

    def __init__(self, *, misses: Sequence[int] = ()) -> None:
        self.misses = misses
        self.looked: list[int] = []

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        found = []
        for index, pixels in enumerate(frames.pixels, start=frames.first):
            self.looked.append(index)
            edges = Mask.of(pixels[..., 0] > 128).edges
            rows = [(*edges, 0.9, "racket")] if edges and index not in self.misses else []
            found.append(Detections.of(rows))
        return found


@pytest.mark.skipif(
    not all(map(find_spec, ("scenedetect", "supervision", "trackers"))), reason="needs videotcav[detect]"
)
def test_a_detector_looks_at_the_clips_frames_and_a_few_around_them_and_misses_are_bridged(tmp_path: Path):
    truth = np.stack([rectangle((96, 128), slice(30, 60), slice(30 + t, 60 + t)) for t in range(40)])
    pixels = np.repeat(200 * truth[..., None].astype(np.uint8), 3, axis=-1)
    path = film(tmp_path / "scene.mkv", pixels, [100 * t for t in range(40)])
    spec = SPEC.model_copy(update={"frames": 6})
    first, _ = read_clip(path, spec, start_seconds=0)  # frames 0, 2, … 10
    later, _ = read_clip(path, spec, start_seconds=2)  # frames 20, … 30
    detector = Bright(misses=[4, 24, 25])
    located = objects_of([first, later], spec, detector, "racket", box_error=0)
    whole = objects_of([first, later], spec, Bright(), "racket", box_error=0)
    assert sorted(set(detector.looked)) == list(range(39))
    for found, complete in zip(located.objects, whole.objects, strict=True):
        np.testing.assert_array_equal(found.masks, complete.masks)
        assert (found.frames, found.interpolated, found.by_mask) == (6, pytest.approx(1 / 6), 0)
        assert (complete.frames, complete.interpolated) == (6, 0)
