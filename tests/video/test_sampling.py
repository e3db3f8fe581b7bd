"""Which frames a stride and a spread take: by other libraries and by hand, in files whose frames tell their number."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import ArgumentError, VideoError, VideotcavWarning
from videotcav.records import ClipSpec, Spread
from videotcav.video.alignment import aligned_times, held_frames
from videotcav.video.clips import read_clip, read_windows
from videotcav.video.read import VideoFile
from videotcav.video.sampling import spread_ranks


def spec(frames: int, **how) -> ClipSpec:
    return ClipSpec(frames=frames, height=48, width=64, resize=(48, 64), mean=(0,) * 3, std=(1,) * 3, **how)


def shown(indices, pixels: torch.Tensor) -> list[int]:
    return indices(255 * pixels.permute(1, 2, 3, 0).numpy())


# --- spread ----------------------------------------------------------------------------------------------------


def by_torchvision(wanted: int, has: int) -> list[int]:
    subsample = import_torchvision("torchvision.transforms.v2").UniformTemporalSubsample(wanted)
    return subsample(torch.arange(has)[:, None, None, None]).flatten().tolist()


def by_lrcn_codes(wanted: int, has: int) -> list[int]:
    skip = max(int(has / wanted), 1)
    return [min(counter * skip, has - 1) for counter in range(wanted)]


def by_tsn(wanted: int, has: int) -> list[int]:
    """The segment borders as fractions: TSN's own floats fall short of a whole number now and then."""
    tick = Fraction(has, wanted)
    return [int(tick / 2 + tick * segment) for segment in range(wanted)]


@pytest.mark.parametrize(
    ("spread", "oracle"), [("linspace", by_torchvision), ("skip", by_lrcn_codes), ("middle", by_tsn)]
)
def test_a_spread_takes_the_frames_that_its_namesake_takes(spread: Spread, oracle) -> None:
    for wanted in (1, 2, 8, 16, 20, 25):
        for has in (*range(1, 70), 100, 299, 1001):
            found = spread_ranks(spec(wanted, spread=spread), has).tolist()
            assert found == oracle(wanted, has), (wanted, has)


@pytest.mark.parametrize(
    ("spread", "frames"),
    [("linspace", [0, 3, 7, 11]), ("skip", [0, 3, 6, 9]), ("middle", [1, 4, 7, 10])],
)
def test_four_of_twelve_frames_by_hand(encode, indices, spread: Spread, frames: list[int]) -> None:
    """⌊11 k / 3⌋; 3 k; the middles 1.5, 4.5, 7.5, 10.5. Their seconds are those at which they are shown."""
    clip, pixels = read_clip(encode("v.mp4", 12), spec(4, spread=spread))
    assert shown(indices, pixels) == frames
    assert clip.timestamps == pytest.approx([rank / 25 for rank in frames])


def test_a_spread_counts_frames_and_not_seconds(encode, indices) -> None:
    """Frames that lie 40 ms apart and then 400 ms: LRCN codes count them, and the clip's seconds say where they lay."""
    stamps = [*range(6), *range(10, 70, 10)]
    clip, pixels = read_clip(encode("v.mkv", 12, pts=stamps), spec(4, spread="skip"))
    assert shown(indices, pixels) == [0, 3, 6, 9]
    assert clip.timestamps == pytest.approx([stamps[rank] / 25 for rank in (0, 3, 6, 9)], abs=1e-3)
    assert clip.frames_per_second == pytest.approx(3 / (stamps[9] / 25), rel=1e-3)


@pytest.mark.parametrize(
    ("spread", "frames"),
    [("linspace", [0, 0, 1, 1, 2]), ("skip", [0, 1, 2, 2, 2]), ("middle", [0, 0, 1, 2, 2])],
)
def test_a_video_of_too_few_frames_is_refused_or_repeated_as_the_card_says(encode, indices, spread, frames) -> None:
    path = encode("v.mp4", 3)
    with pytest.raises(VideoError, match=r"it has 3 frames, but 5 spread over it need 5; take .* short = \"repeat\""):
        read_clip(path, spec(5, spread=spread))
    _, pixels = read_clip(path, spec(5, spread=spread, short="repeat"))
    assert shown(indices, pixels) == frames
    _, stretched = read_clip(path, spec(5, spread=spread), fit="stretch")  # a concept clip is never too short
    assert shown(indices, stretched) == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("has", [8, 13, 40])
def test_a_concept_clip_is_spread_by_the_rule_of_a_class_clip(encode, indices, has: int) -> None:
    path = encode("v.mp4", has)
    for spread in ("linspace", "skip", "middle"):
        ways = [read_clip(path, spec(8, spread=spread), fit=fit) for fit in ("time", "stretch")]
        assert ways[0][0] == ways[1][0]
        assert torch.equal(ways[0][1], ways[1][1])
    assert shown(indices, read_clip(path, spec(8, spread="skip"), fit="stretch")[1]) == by_lrcn_codes(8, has)


def test_what_is_spread_over_a_whole_video_has_no_other_place(encode) -> None:
    path, whole = encode("v.mp4", 12), spec(4, spread="middle")
    with pytest.raises(VideoError, match=r"is shown whole \(4 frames spread over it\) and begins nowhere else"):
        read_clip(path, whole, start_seconds=0.1)
    with pytest.raises(VideoError, match=r"is shown whole .* which shifts no event; take no alignment"):
        read_clip(path, whole, event_seconds=0.2)
    with pytest.raises(ArgumentError, match="spreads 4 frames over a whole video has no windows in one"):
        read_windows(path, whole)
    with pytest.raises(ValidationError, match="make one clip of it, not clips_per_video = 3"):
        spec(4, spread="middle", clips_per_video=3)
    clip, _ = read_clip(path, spec(4, spread="middle", crops_per_clip=3), view=2)  # crops are another matter
    assert clip.timestamps == read_clip(path, whole)[0].timestamps


# --- stride ----------------------------------------------------------------------------------------------------


def test_a_stride_counts_frames_from_the_middle_or_from_where_it_is_told(encode, indices) -> None:
    """4 frames, each the third after the one before, reach over 10; of 20 that leaves 10, half of it on either side."""
    path = encode("v.mp4", 20)
    assert shown(indices, read_clip(path, spec(4, stride=3))[1]) == [5, 8, 11, 14]
    clip, pixels = read_clip(path, spec(4, stride=3), start_seconds=0.4)
    assert shown(indices, pixels) == [10, 13, 16, 19]
    assert clip.timestamps == pytest.approx([0.4, 0.52, 0.64, 0.76])
    with pytest.raises(VideoError, match=r"has 9 frames from 0\.44 s on, but 4 of which each is the 3\. after the one"):
        read_clip(path, spec(4, stride=3), start_seconds=0.44)
    views = [read_clip(path, spec(4, stride=3, clips_per_video=2), view=view)[1] for view in range(2)]
    assert [shown(indices, pixels)[0] for pixels in views] == [2, 7]  # a quarter and three of the 10 places


def test_a_stride_is_true_to_a_rate_that_varies(encode, indices) -> None:
    stamps = [0, 1, 2, 3, 10, 11, 30, 31, 32, 33]
    clip, pixels = read_clip(encode("v.mkv", 10, pts=stamps), spec(4, stride=3))
    assert shown(indices, pixels) == [0, 3, 6, 9]
    assert clip.timestamps == pytest.approx([0, 3 / 25, 30 / 25, 33 / 25], abs=1e-3)


def test_a_stride_in_a_video_of_too_few_frames(encode, indices) -> None:
    path = encode("v.mp4", 6)
    with pytest.raises(VideoError, match=r"has 6 frames, but 4 of which each is the 3\. after the one before need 10"):
        read_clip(path, spec(4, stride=3))
    assert shown(indices, read_clip(path, spec(4, stride=3, short="repeat"))[1]) == [0, 3, 5, 5]
    assert shown(indices, read_clip(path, spec(4, stride=3), fit="stretch")[1]) == [0, 2, 3, 5]
    assert shown(indices, read_clip(path, spec(4, stride=3, short="repeat"), fit="stretch")[1]) == [0, 3, 5, 5]


def test_a_clip_that_leaps_over_a_gap_says_so(encode) -> None:
    path = encode("v.mkv", 8, pts=[0, 1, 2, 3, 60, 61, 62, 63])
    for how in ({"stride": 2}, {"spread": "linspace"}):
        with pytest.warns(VideotcavWarning, match=r"has no frame from 0\.12 s to 2\.40 s, which the clip leaps over"):
            read_clip(path, spec(4, **how))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_clip(path, spec(2, stride=1), start_seconds=0.0)


def test_an_event_falls_on_the_middle_frame_of_a_stride(encode, indices) -> None:
    path = encode("v.mp4", 20)
    clip, pixels = read_clip(path, spec(4, stride=3), event_seconds=0.32)  # frame 8 becomes the clip's frame 2
    assert shown(indices, pixels) == [2, 5, 8, 11]
    file, late = VideoFile(path), 0.72
    with pytest.raises(VideoError, match="that needs 6 frames before it and 3 behind it; take a longer video"):
        read_clip(path, spec(4, stride=3), event_seconds=late)
    assert held_frames(file.info(), spec(4, stride=3), late, frame_times=file.times) == 1
    held = aligned_times(file.info(), spec(4, stride=3), late, edges="hold")
    assert held == pytest.approx([rank / 25 for rank in (12, 15, 18, 19)])
    assert clip.timestamps[2] == pytest.approx(0.32)


def test_windows_of_a_stride_follow_each_other(encode, indices) -> None:
    windows = read_windows(encode("v.mp4", 26), spec(4, stride=2))
    assert [shown(indices, pixels) for pixels in windows.pixels] == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18, 20, 22]]
    closer = read_windows(encode("v.mp4", 26), spec(4, stride=2), step_seconds=0.2)
    assert [shown(indices, pixels)[0] for pixels in closer.pixels] == [0, 5, 10, 15]


# --- the card --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({}, "one of seconds_between_frames, stride, spread says which frames are taken, got none of them"),
        ({"stride": 2, "spread": "skip"}, "got stride and spread"),
        ({"seconds_between_frames": 0.1, "stride": 2}, "got seconds_between_frames and stride"),
        ({"seconds_between_frames": 0.1, "short": "repeat"}, "is of a stride or a spread"),
        ({"stride": 0}, "greater than 0"),
    ],
)
def test_a_card_says_one_way_to_take_frames(how, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(4, **how)


def test_another_way_takes_the_place_of_the_first() -> None:
    first = spec(4, spread="skip", short="repeat")
    assert first.changed({"stride": 2}) == spec(4, stride=2)
    assert first.changed({"frames": 8}) == spec(8, spread="skip", short="repeat")
    assert spec(4, seconds_between_frames=0.1).changed({"spread": "middle", "short": "repeat"}) == spec(
        4, spread="middle", short="repeat"
    )


def test_specs_that_take_other_frames_are_no_equals() -> None:
    ways = [{"stride": 2}, {"stride": 3}, {"spread": "skip"}, {"spread": "middle"}, {"stride": 2, "short": "repeat"}]
    found = {spec(4, **how).model_dump_json() for how in [*ways, {"seconds_between_frames": 0.08}]}
    assert len(found) == len({spec(4, **how) for how in ways}) + 1 == 6


def test_the_middle_of_an_exact_number_is_itself() -> None:
    """(k + ½) · 7 / 14 is a whole number for every k but those between: no float may fall below it."""
    assert np.array_equal(spread_ranks(spec(7, spread="middle"), 14), [1, 3, 5, 7, 9, 11, 13])
