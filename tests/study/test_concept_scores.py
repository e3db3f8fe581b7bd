"""Scores of concepts on clips whose answer is known by how they and the network are made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import videotcav as vt
from support.clips import in_memory
from videotcav.errors import ArgumentError, ConceptError, NotEnoughData, RunFolderError
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard
from videotcav.video.clips import Clips, read_windows
from videotcav.video.write import write_video

SPEC = ClipSpec(frames=8, seconds_between_frames=0.1, height=16, width=16, resize=16)
RED, GREEN = 0, 1


class Colours(nn.Module):
    """The mean of each colour over 2 frames × 4 × 4 pixels; `warm` = 2 · red, `odd` = red · green, both over all."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.tokens = nn.AvgPool3d((2, 4, 4))
        self.scaled = nn.Identity()
        self.gain = gain

    def forward(self, pixels: Tensor) -> Tensor:
        mean = self.scaled(self.tokens(pixels) * self.gain).mean(dim=(2, 3, 4)) / self.gain
        red, green = mean[:, RED], mean[:, GREEN]
        return torch.stack([2 * red, red * green, torch.zeros_like(red)], dim=1)


def colours(gain: float = 1.0) -> VideoModel:
    card = ModelCard(
        name="colours",
        clip_spec=SPEC,
        classes=("warm", "odd", "none"),
        layouts={"scaled": "b c t h w"},
        default_layers=("scaled",),
    )
    return VideoModel(Colours(gain), card)


def made(count: int, *, seed: int, red: float = 0.0, since: int = 0, prefix: str = "v") -> Clips:
    """Noise, each clip with its own colours, and more red from one frame on."""
    rng = torch.Generator().manual_seed(seed)
    pixels = 0.2 * torch.randn(count, 3, 8, 16, 16, generator=rng)
    pixels += 0.3 * torch.randn(count, 3, 1, 1, 1, generator=rng)
    pixels[:, RED, since:] += red
    return in_memory(pixels, prefix=f"{prefix}{seed}")


@pytest.fixture(scope="module")
def sets() -> dict[str, object]:
    concepts = {"red": made(30, seed=1, red=3.0), "nothing": made(30, seed=2)}
    return {"concepts": concepts, "random": made(60, seed=3), "layers": ["scaled"]}


def test_a_known_share_moves_a_linear_score_by_what_it_must(sets: dict[str, object]) -> None:
    """A third, two thirds, all of the concept's red; the score is 2 · red, so each gains 2 · 3 · its share."""
    asked = made(3, seed=9)
    asked.pixels.copy_(asked.pixels - asked.pixels.mean(dim=(2, 3, 4), keepdim=True))
    asked.pixels[:, RED] += torch.tensor([1.0, 2.0, 3.0])[:, None, None, None]
    found = vt.concept_scores(colours(), asked, **sets, target="warm", score="logit")
    unit = np.std([2 * each[RED].mean() for each in sets["random"].pixels], ddof=1)
    red = [row for row in found if row.concept == "red"]
    assert [row.share for row in red] == pytest.approx([1 / 3, 2 / 3, 1], abs=0.05)
    assert all(row.low < truth < row.high for row, truth in zip(red, [1 / 3, 2 / 3, 1], strict=True))
    assert [row.effect * unit for row in red] == pytest.approx([2, 4, 6], rel=0.12)
    assert [row.exact for row in red] == pytest.approx([row.effect for row in red], rel=1e-4)
    assert all(row.auroc > 0.98 and row.above_pool > 0.98 for row in red)
    nothing = [row for row in found if row.concept == "nothing"]
    assert {(row.is_told, row.share, row.effect, row.exact) for row in nothing} == {(False, None, None, None)}
    assert "not told from the pool" in repr(found)


def test_of_a_curved_score_the_exact_change_is_that_of_an_edit(sets: dict[str, object]) -> None:
    """`odd` is red · green: what it loses without the share is known from the clip's own colours."""
    model, asked = colours(), made(1, seed=11, red=3.0)
    found = vt.concept_scores(model, asked, **sets, target="odd", score="logit")
    row = next(row for row in found if row.concept == "red")
    concept, pool = (
        each.pixels.mean(dim=(0, 2, 3, 4)).double().numpy() for each in (sets["concepts"]["red"], sets["random"])
    )
    colour = asked.pixels[0].mean(dim=(1, 2, 3)).double().numpy()
    without = colour - row.share * (concept - pool)
    unit = np.std([float(each[RED].mean() * each[GREEN].mean()) for each in sets["random"].pixels], ddof=1)
    exact = (colour[RED] * colour[GREEN] - without[RED] * without[GREEN]) / unit
    assert row.exact == pytest.approx(exact, rel=1e-3)
    slope = np.array([colour[GREEN], colour[RED]])
    assert row.effect == pytest.approx(row.share * slope @ (concept - pool)[:2] / unit, rel=1e-3)
    assert row.exact != pytest.approx(row.effect, rel=1e-2)


def test_over_time_the_share_stands_where_the_concept_is(sets: dict[str, object]) -> None:
    asked = made(1, seed=12, red=3.0, since=4)
    row = next(iter(vt.concept_scores(colours(), asked, **sets, target="warm")))
    assert np.mean(row.over_time) == pytest.approx(row.share)
    early, late = np.mean(row.over_time[:2]), np.mean(row.over_time[2:])
    assert late - early == pytest.approx(1, abs=0.1)
    assert row.seconds == pytest.approx((0.05, 0.25, 0.45, 0.65))
    by_moment = next(iter(vt.concept_scores(colours(), asked, **sets, target="warm", score="logit", pooling="space")))
    assert np.mean(by_moment.over_time) == pytest.approx(by_moment.share)
    assert by_moment.exact == pytest.approx(by_moment.effect, rel=1e-4)


def test_a_clip_alone_is_what_it_is_among_others_and_scaled_layers_are_one(sets: dict[str, object]) -> None:
    asked = made(3, seed=13, red=1.0)
    last = replace(asked, records=asked.records[2:], pixels=asked.pixels[2:])
    among = list(vt.concept_scores(colours(), asked, **sets, target="warm"))[-2:]
    assert list(vt.concept_scores(colours(), last, **sets, target="warm")) == among
    scaled = list(vt.concept_scores(colours(1000.0), last, **sets, target="warm"))
    for one, other in zip(among, scaled, strict=True):
        for name in ("share", "low", "effect", "effect_high", "exact", "auroc", "score"):
            assert getattr(one, name) == (
                None if getattr(other, name) is None else pytest.approx(getattr(other, name), rel=1e-3)
            )


def test_a_clips_own_video_is_left_out(sets: dict[str, object]) -> None:
    """The concept's own clips are asked by the others: with or without them in it, the answer is the same."""
    red = sets["concepts"]["red"]
    first = replace(red, records=red.records[:1], pixels=red.pixels[:1])
    others = replace(red, records=red.records[1:], pixels=red.pixels[1:])
    how = {"random": sets["random"], "target": "warm"}
    within = next(iter(vt.concept_scores(colours(), first, concepts={"red": red}, **how)))
    beside = next(iter(vt.concept_scores(colours(), first, concepts={"red": others}, **how)))
    renamed = first.records[0].model_copy(update={"source": "another name"})
    alike = next(iter(vt.concept_scores(colours(), replace(first, records=(renamed,)), concepts={"red": red}, **how)))
    assert within == beside == alike
    assert within.concept_sources == 29


def test_videos_are_what_is_counted(sets: dict[str, object]) -> None:
    """Each clip of the concept thrice, and pool clips of the concept's own videos: nothing changes."""
    asked, red, pool = made(1, seed=18, red=2.0), sets["concepts"]["red"], sets["random"]
    stranger = [made(1, seed=100 + n, red=9.0) for n in range(3)]
    of_concept = [
        each.records[0].model_copy(update={"source": str(red.records[n].video.path)}) for n, each in enumerate(stranger)
    ]
    thrice = Clips(records=red.records * 3, pixels=red.pixels.repeat(3, 1, 1, 1, 1))
    named = tuple(each.model_copy(update={"source": str(each.video.path)}) for each in thrice.records)
    more = Clips(
        records=(*pool.records, *of_concept), pixels=torch.cat([pool.pixels, *(each.pixels for each in stranger)])
    )
    (one,) = vt.concept_scores(colours(), asked, concepts={"red": red}, random=pool, target="warm")
    other = vt.concept_scores(
        colours(), asked, concepts={"red": replace(thrice, records=named)}, random=more, target="warm"
    )
    (row,) = other
    assert (row.concept_sources, row.pool_sources) == (30, 60)
    for name in ("share", "low", "effect", "effect_low", "exact", "auroc", "above_concept"):
        assert getattr(row, name) == pytest.approx(getattr(one, name), rel=1e-4)


def test_the_class_is_that_which_the_model_gives(sets: dict[str, object]) -> None:
    asked = made(1, seed=14, red=3.0)
    found = vt.concept_scores(colours(), asked, **sets)
    named = vt.concept_scores(colours(), asked, **sets, target=found.rows[0].class_name)
    assert found.rows == named.rows
    against = vt.concept_scores(colours(), asked, **sets, target="warm - none")  # the logit of none is 0
    logit = vt.concept_scores(colours(), asked, **sets, target="warm", score="logit")
    assert against.rows == logit.rows


def test_what_does_not_fit_is_refused(sets: dict[str, object]) -> None:
    model, asked = colours(), made(1, seed=15)
    with pytest.raises(NotEnoughData, match="2 source videos"):
        vt.concept_scores(model, asked, concepts={"red": made(2, seed=16)}, random=sets["random"])
    with pytest.raises(ArgumentError, match="no pooling 'none'"):
        vt.concept_scores(model, asked, **sets, pooling="none")
    with pytest.raises(ConceptError, match="no concept"):
        vt.concept_scores(model, asked, concepts={}, random=sets["random"])
    short = replace(asked, pixels=asked.pixels[:, :, :4])
    with pytest.raises(ConceptError, match="one clip spec"):
        vt.concept_scores(model, short, **sets)


def test_results_are_drawn_told_and_read_back(sets: dict[str, object], tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    pytest.importorskip("pandas")
    found = vt.concept_scores(colours(), made(2, seed=17, red=2.0), **sets, target="warm")
    assert vt.ConceptScores.read(found.save(tmp_path / "scores.parquet")) == found
    assert len(found.to_pandas()) == len(found) == 4
    lines = found.plot().axes[0].get_lines()
    np.testing.assert_allclose(lines[0].get_ydata(), found.rows[0].over_time)
    page = found.report(tmp_path / "scores.html").read_text(encoding="utf-8")
    assert "not told from the pool" in page
    assert "<th>AUROC</th>" in found._repr_html_()
    with pytest.raises(ArgumentError, match="there are no scores of x"):
        found.plot("x")
    results = tmp_path / "other.parquet"
    found.to_pandas().to_parquet(results)
    with pytest.raises(RunFolderError, match="not one that ConceptScores"):
        vt.ConceptScores.read(results)


def test_windows_follow_each_other_through_a_video(tmp_path: Path) -> None:
    frames = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None, None] * 5, 16, axis=1)
    path = write_video(tmp_path / "long.mp4", np.broadcast_to(frames, (40, 16, 16, 3)).copy(), frames_per_second=10)
    windows = read_windows(tmp_path / "long.mp4" if path is None else path, SPEC)
    assert [clip.timestamps[0] for clip in windows.records] == pytest.approx([0.0, 0.8, 1.6, 2.4, 3.2])
    closer = read_windows(tmp_path / "long.mp4", SPEC, step_seconds=1.5)
    assert [clip.timestamps[0] for clip in closer.records] == pytest.approx([0.0, 1.5, 3.0])
    assert len({clip.source for clip in windows.records}) == 1
    with pytest.raises(ArgumentError, match="above 0"):
        read_windows(tmp_path / "long.mp4", SPEC, step_seconds=0)
