"""Badges of maps whose truth is built in: a network that reads one place, and where its maps lie."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videotcav import api
from videotcav.errors import ArgumentError, VideotcavWarning
from videotcav.maps import ClipMaps, clip_maps, write_maps
from videotcav.maps.checked import ClipToCheck, MapCheck
from videotcav.maps.view import View
from videotcav.models.model import VideoModel
from videotcav.models.randomised import randomised
from videotcav.records import ClipSpec, ModelCard
from videotcav.results.followed import Followed
from videotcav.video.clips import Clips, read_clips
from videotcav.video.write import write_video

SPEC = ClipSpec(frames=8, seconds_between_frames=0.1, height=32, width=32, resize=32)
PLACE = (slice(2, 4), slice(8, 14), slice(8, 14))
ELSEWHERE = (slice(5, 8), slice(18, 30), slice(16, 30))
HIRESCAM, GRAD_CAM = View(method="hirescam", layer="look"), View(method="grad-cam", layer="look")


class Place(nn.Module):
    """Reads how bright one place is. HiResCAM lies there; Grad-CAM wherever the clip is bright, for its weight is the
    mean over all places.
    """

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv3d(3, 1, kernel_size=1)
        self.where = nn.Parameter(torch.zeros(8, 32, 32))
        with torch.no_grad():
            self.look.weight.fill_(1 / 3)
            self.look.bias.fill_(2.0)
            self.where[PLACE] = 1 / 36

    def forward(self, pixels: Tensor) -> Tensor:
        seen = (self.look(pixels)[:, 0] * self.where).sum(dim=(1, 2, 3))
        return torch.stack([seen, torch.full_like(seen, -5)], dim=1)


@pytest.fixture(scope="module")
def model() -> VideoModel:
    card = ModelCard(
        name="place", clip_spec=SPEC, classes=("yes", "no"), layouts={"look": "b c t h w"}, default_layers=("look",)
    )
    return VideoModel(Place(), card)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise with a spot at the place, more or less bright, and a large bright block elsewhere."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(2)
    for number in range(9):
        frames = rng.integers(60, 90, size=(8, 32, 32, 3), dtype=np.uint8)
        frames[PLACE] = 110 + 14 * number
        frames[ELSEWHERE] = 250
        write_video(folder / f"{number}.mp4", frames, frames_per_second=10)
    return folder


@pytest.fixture(scope="module")
def clips(films: Path) -> Clips:
    return read_clips(films, SPEC)


def numbers(badge: Followed) -> list[float | None]:
    return [badge.sigma, badge.strongest, badge.random, badge.random_weights, badge.p_random, badge.p_random_weights]


def listed(clips: Clips) -> list[ClipToCheck]:
    return [ClipToCheck(str(n), str(n), pixels) for n, pixels in enumerate(clips.pixels)]


def test_the_map_that_lies_on_the_place_is_followed_and_the_one_on_what_is_bright_is_not(
    model: VideoModel, clips: Clips
) -> None:
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    followed, not_followed = MapCheck(model)(listed(clips), "yes", [HIRESCAM, GRAD_CAM])
    assert (followed.verdict, not_followed.verdict) == ("followed", "not followed")
    assert not_followed.strongest == pytest.approx(0, abs=0.05)
    assert followed.strongest > 1
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())


def test_a_view_alone_has_the_badge_that_it_has_among_others(model: VideoModel, clips: Clips) -> None:
    check = MapCheck(model)
    both = check(listed(clips), "yes", [HIRESCAM, GRAD_CAM])
    (alone,) = check(listed(clips), "yes", [GRAD_CAM])
    assert numbers(alone) == pytest.approx(numbers(both[1]), rel=1e-12)
    assert alone.verdict == both[1].verdict
    assert check(reversed(listed(clips)), "yes", [GRAD_CAM])[0].verdict == both[1].verdict


def test_maps_of_a_network_with_random_weights_are_not_followed(model: VideoModel, clips: Clips) -> None:
    """The negative control: that network's own score is asked, which nothing was learned by."""
    blank = randomised(model, rng=np.random.default_rng(4))
    (badge,) = MapCheck(blank)(listed(clips), "yes", [GRAD_CAM])
    assert badge.verdict == "not followed"


def test_other_maps_are_tried_only_where_the_score_follows_none_that_were_asked_for(
    model: VideoModel, clips: Clips
) -> None:
    check, asked = MapCheck(model), []

    def anew(passes: int) -> list[ClipToCheck]:
        asked.append(passes)
        return listed(clips)

    alone = check.search(anew, "yes", [HIRESCAM])
    assert [badge.map for badge in alone] == ["hirescam at look"]
    assert asked == [check.passes_a_clip([HIRESCAM])]
    shown, *others = check.search(anew, "yes", [GRAD_CAM])
    assert shown.verdict == "not followed"
    assert [each.method for each in others] == ["hirescam", "layercam"]
    assert numbers(others[0]) == pytest.approx(numbers(alone[0]), rel=1e-12)
    few = check.search(lambda _: listed(clips)[:3], "yes", [GRAD_CAM])
    assert [badge.verdict for badge in few] == ["not told"]


def test_no_more_passes_are_made_than_are_told(model: VideoModel, clips: Clips) -> None:
    passed = []
    check = MapCheck(model)
    for each in (model, check.random_weights):
        each.module.register_forward_hook(lambda _module, given, _made: passed.append(len(given[0])))
    try:
        check(listed(clips), "yes", [HIRESCAM, GRAD_CAM])
    finally:
        for each in (model, check.random_weights):
            each.module._forward_hooks.clear()
    assert 0.8 * len(clips) * check.passes_a_clip([HIRESCAM, GRAD_CAM]) < sum(passed)
    assert sum(passed) <= len(clips) * check.passes_a_clip([HIRESCAM, GRAD_CAM])


def test_what_a_search_knows_of_a_clip_is_not_passed_again(model: VideoModel, clips: Clips) -> None:
    """As it is, and with random tubelets blurred: the others' passes are those of their own tubelets."""
    passed: list[int] = []
    told: list[int] = []
    check = MapCheck(model, batch_size=1)
    again = replace(clips, pixels=clips.pixels[:5], records=clips.records[:5])

    def anew(passes: int) -> list[ClipToCheck]:
        told.append(passes)
        return [replace(clip, name="one name for all") for clip in listed(again)]

    for each in (model, check.random_weights):
        each.module.register_forward_hook(lambda _module, given, _made: passed.append(len(given[0])))
    try:
        found = check.search(anew, "yes", [GRAD_CAM])
    finally:
        for each in (model, check.random_weights):
            each.module._forward_hooks.clear()
    assert len(found) == 3
    assert told == [2 + 1 + 5 + 2, 2 + 2 * 2]
    assert sum(passed) <= len(again) * sum(told)
    alone = MapCheck(model, batch_size=1)(listed(again), "yes", [View(method="hirescam", layer="look")])
    assert numbers(found[1]) == numbers(alone[0])


def test_random_weights_that_give_no_numbers_are_told(model: VideoModel, clips: Clips) -> None:
    class Fragile(Place):
        """Gives numbers only where its weights lie as they were learned."""

        def forward(self, pixels: Tensor) -> Tensor:
            found = super().forward(pixels)
            return found if self.where[PLACE].min() > 0 else found / 0

    (badge,) = MapCheck(replace(model, module=Fragile()))(listed(clips), "yes", [HIRESCAM])
    assert (badge.verdict, badge.reason) == ("not told", "the network with random weights gives NaN or infinity")


def test_maps_of_clips_carry_their_badges(model: VideoModel, clips: Clips, tmp_path: Path) -> None:
    asked = {"methods": ["grad-cam", "hirescam"], "classes": ["yes", "no"]}
    with pytest.warns(VideotcavWarning, match="zero everywhere"):  # nothing speaks for "no"
        plain, maps = clip_maps(model, clips, **asked), clip_maps(model, clips, **asked, check=True)
    np.testing.assert_array_equal(plain.values, maps.values)
    assert plain.badges == ()
    verdicts = {(badge.class_name, badge.method): badge.verdict for badge in maps.badges if badge.layer == "look"}
    assert verdicts["yes", "hirescam"] == "followed"
    assert verdicts["yes", "grad-cam"] == "not followed"
    assert verdicts["no", "hirescam"] == "not told"  # the model gives no clip to it
    assert [caption.rpartition(" · ")[2] for caption, _, _ in maps.panels(0)][:2] == ["not followed", "followed"]
    assert {row["followed"] for row in maps.rows() if row["class_name"] == "no"} == {"not told"}
    assert {row["followed"] for row in plain.rows()} == {None}
    assert ClipMaps.read(maps.save(tmp_path / "maps")).badges == maps[2].badges == maps.badges
    page = maps.report(tmp_path / "maps.html").read_text()
    assert "does not follow maps of grad-cam at look" in page


def test_one_map_is_checked_by_the_clips_of_its_class(
    model: VideoModel, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = write_maps(tmp_path / "map.png", model, films / "0.mp4", classes=["yes"], check=[films])
    assert [badge.map for badge in maps.badges][:2] == ["grad-cam at look", "hirescam at look"]
    assert "It follows those of hirescam at look" in maps.followed[0]
    monkeypatch.setattr(api, "load_model", lambda *_args, **_options: model)
    from videotcav.cli.main import app  # noqa: PLC0415 - after the patch

    given = ["cam", str(films / "0.mp4"), "--model", "place", "--class", "yes", "--check", str(films)]
    app(["--json", *given, "-o", str(tmp_path / "again.png")], standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert said["badges"] == [badge.model_dump() for badge in maps.badges]
    app([*given, "-o", str(tmp_path / "spoken.png")], standalone_mode=False)
    assert maps.followed[0] in capsys.readouterr().err.replace("\n", " ")


def test_clips_are_needed(model: VideoModel) -> None:
    with pytest.raises(ArgumentError, match="no clips of 'yes'"):
        MapCheck(model)([], "yes", [GRAD_CAM])
