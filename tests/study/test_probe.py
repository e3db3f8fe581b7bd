"""What a model relies on: networks whose answer is known, numbers computed anew, and inputs that are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

import videotcav as vt
from support.clips import in_memory
from support.own import quietly
from videotcav.errors import (
    ArgumentError,
    ClassNotFound,
    NotEnoughData,
    NotFound,
    NumericalError,
    PathTaken,
    RunFolderError,
    UnreadableText,
    VideoNotFound,
    VideosError,
    VideotcavWarning,
)
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.planted.factors import sample_scene
from videotcav.planted.scenes import render
from videotcav.records import ClipSpec, ModelCard
from videotcav.report.probe import ProbeRun
from videotcav.results.probe_facts import after, score_of
from videotcav.video.clips import Clips, preprocess
from videotcav.video.labels import Labels
from videotcav.video.write import write_video

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
RANKED = ("still", "shuffle", "reverse", "grey", "still part", "moving places")


class Reads(nn.Module):
    """Two logits, ± what is read of a clip's pixels (clip channel time height width)."""

    def __init__(self, what: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        found = self.what(x)
        return torch.stack([found, -found], dim=1)


def model(what: Callable[[Tensor], Tensor], name: str = "own") -> VideoModel:
    return quietly(Reads(what), card=ModelCard(name=name, clip_spec=SPEC, classes=("up", "down")))


def growth(x: Tensor) -> Tensor:
    """By how much the last frame is brighter than the first."""
    return x[:, :, -1].mean(dim=(1, 2, 3)) - x[:, :, 0].mean(dim=(1, 2, 3))


def frames(seed: int, up: int) -> NDArray[np.uint8]:
    """Noise that gets brighter or darker by some levels a frame, more or less."""
    rng = np.random.default_rng(seed)
    slope = up * rng.uniform(3, 9)
    levels = 120 + slope * np.arange(-1.5, 2)
    return np.clip(levels[:, None, None, None] + rng.normal(0, 4, (4, 8, 8, 3)), 0, 255).astype(np.uint8)


def clips(count: int = 12, first: int = 0) -> dict[str, Clips]:
    def of(name: str, up: int) -> Clips:
        seeds = range(first, first + count)
        return in_memory(torch.stack([preprocess(frames(seed, up), SPEC) for seed in seeds]), prefix=f"{name}-{first}")

    return {"up": of("up", 1), "down": of("down", -1)}


@pytest.fixture(scope="module")
def found() -> ProbeRun:
    return vt.probe(model(growth), clips())


def row(found: ProbeRun, edit: str, class_name: str = "up", of_clips: str = "", label: str = "own"):
    (one,) = (
        each
        for each in found
        if (each.model, each.edit, each.class_name, each.of_clips) == (label, edit, class_name, of_clips)
    )
    return one


# --- networks whose answer is known -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted() -> ProbeRun:
    swin = load_model("planted:swin")
    rng = np.random.default_rng(0)
    of_class = {
        name: in_memory(
            torch.stack(
                [
                    preprocess(
                        render(sample_scene(rng, class_name=name), height=64, width=64, frames=8), swin.card.clip_spec
                    )
                    for _ in range(10)
                ]
            ),
            prefix=name,
        )
        for name in ("swing", "slide")
    }
    return vt.probe(swin, of_class, edits=["still", "shuffle", "reverse", "still part"])


@pytest.mark.parametrize("class_name", ["swing", "slide"])
def test_a_network_that_tells_motions_apart_relies_most_on_motion(planted: ProbeRun, class_name: str) -> None:
    rows = [each for each in planted.main if each.class_name == class_name]
    most = min(rows, key=lambda each: each.effect)
    assert most.edit in ("still", "shuffle", "reverse")
    assert most.verdict == "negative"
    assert most.accuracy_before - most.accuracy_after > 0.5
    assert row(planted, "still part", class_name, label="planted:swin").verdict != "negative"


def test_the_first_sentence_is_the_answer(planted: ProbeRun) -> None:
    assert planted.sentences[0].startswith("The model relies most on motion: accuracy falls from ")
    assert "when the middle frame is held" in planted.sentences[0]


def test_a_clip_backwards_turns_round_what_reads_the_direction_of_time(found: ProbeRun) -> None:
    """What grows shrinks as much, what is held does not grow: −2 and −1 times the mean score, in σ of all scores."""
    scores = {each["clip"]: each["score"] for each in found.clips if each["class"] == "up"}
    of_all = [each[score_of("up")] for each in found.clips]
    sigma = np.std(of_all, ddof=1)
    assert row(found, "reverse").effect == pytest.approx(-2 * np.mean([*scores.values()]) / sigma, rel=1e-5)
    assert row(found, "still").effect == pytest.approx(-np.mean([*scores.values()]) / sigma, rel=1e-5)
    assert row(found, "reverse").accuracy_before == 1
    assert row(found, "reverse").accuracy_after == 0
    assert row(found, "reverse").verdict == "negative"


def test_what_does_not_read_the_order_of_frames_is_not_moved_by_it() -> None:
    """Or hardly: a trace of what is read is growth."""
    hardly = model(lambda x: x.mean(dim=(1, 2, 3, 4)) + 1e-4 * growth(x))
    found = vt.probe(hardly, clips(), edits=["shuffle", "reverse", "grey"])
    for edit in ("shuffle", "reverse"):
        assert row(found, edit).effect == pytest.approx(0, abs=0.1)
        assert row(found, edit).verdict == "negligible"


def test_every_effect_is_computed_anew_from_the_clips_by_scipy(found: ProbeRun) -> None:
    """The interval null: all sign flips, and t; the larger p (each a sum of the two ends' p)."""
    for each in found.main:
        own = [clip for clip in found.clips if clip["class"] == each.class_name]
        sigma = np.std([clip[score_of(each.class_name)] for clip in found.clips], ddof=1)
        changes = np.array([clip[after(each.edit, "score")] - clip["score"] for clip in own])
        changed = np.array([clip[after(each.edit, "changed")] > 0 for clip in own])
        assert changed.sum() == each.clips
        assert each.effect == pytest.approx(changes[changed].mean() / sigma)
        if not each.ranked:
            assert each.p is None
            continue
        turned, nothing = changes[changed] * np.sign(changes[changed].mean()), 0.1 * sigma
        t = sum(stats.ttest_1samp(turned, popmean, alternative="greater").pvalue for popmean in (nothing, -nothing))
        flips = sum(
            stats.permutation_test(
                (turned - popmean,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
            ).pvalue
            for popmean in (nothing, -nothing)
        )
        assert each.p == pytest.approx(min(1, max(t, flips)), rel=1e-6)


def test_holm_over_the_family_of_ranked_edits_and_classes(found: ProbeRun) -> None:
    p = np.sort([each.p for each in found.main if each.ranked])
    holm = np.minimum(1, np.maximum.accumulate(p * np.arange(len(p), 0, -1)))
    assert np.sort([each.p_corrected for each in found.main if each.ranked]) == pytest.approx(holm)
    assert len(p) == 2 * len(RANKED)


def test_a_clip_alone_says_what_it_says_among_others() -> None:
    """To the last bit: its edits and its passes do not hang on its neighbours."""
    many, few = vt.probe(model(growth), clips(6)), vt.probe(model(growth), clips(3))
    said = {each["clip"]: each for each in many.clips}
    assert len(few.clips) == 6
    assert all(said[each["clip"]] == dict(each) for each in few.clips)


def test_the_model_and_the_clips_are_handed_back_unchanged() -> None:
    given, own = model(growth), clips(3)
    kept = {name: each.pixels.clone() for name, each in own.items()}
    given.module.train()
    vt.probe(given, own, edits=["still", "blur"])
    assert given.module.training
    assert all(torch.equal(own[name].pixels, pixels) for name, pixels in kept.items())


# --- what an edit does not change -------------------------------------------------------------------------------


def test_an_edit_that_changes_nothing_is_counted_and_never_a_number() -> None:
    held = {
        name: in_memory(each.pixels[:, :, :1].repeat(1, 1, 4, 1, 1), prefix=name) for name, each in clips(5).items()
    }
    still = vt.probe(model(lambda x: x[:, 0].mean(dim=(1, 2, 3))), held, edits=["still", "grey"])
    none = row(still, "still")
    assert (none.effect, none.p, none.verdict, none.reason) == (None, None, "not asked", "changes nothing")
    assert (none.clips, none.unchanged) == (0, 5)
    assert row(still, "grey").clips == 5


def test_clips_that_an_edit_leaves_alone_leave_its_test() -> None:
    own = clips(6)
    pixels = own["up"].pixels.clone()
    pixels[0] = pixels[0, :, :1]
    mixed = {"up": in_memory(pixels, prefix="up"), "down": own["down"]}
    one = row(vt.probe(model(growth), mixed, edits=["still"]), "still")
    assert (one.clips, one.unchanged, one.sources) == (5, 1, 5)


def test_clips_of_which_it_cannot_be_told_what_moves_are_counted_with_the_reason() -> None:
    own = clips(6)
    rng = np.random.default_rng(0)
    noise = [preprocess(rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8), SPEC) for _ in range(2)]
    mixed = {"up": in_memory(torch.stack([*own["up"].pixels, *noise]), prefix="up"), "down": own["down"]}
    found = vt.probe(model(growth), mixed, edits=["moving places", "grey"])
    one = row(found, "moving places")
    assert (one.clips + one.unchanged, one.not_told, one.why) == (6, 2, "nearly all of the picture moves")
    assert (row(found, "grey").clips, row(found, "grey").not_told) == (8, 0)
    none = vt.probe(model(growth), in_memory(torch.stack(noise), prefix="up"), target="up", edits=["still part"])
    only = row(none, "still part")
    assert (only.effect, only.verdict, only.reason, only.not_told) == (None, "not asked", "not told", 2)


# --- clips that are right and wrong -----------------------------------------------------------------------------


def test_right_and_wrong_clips_stand_apart_and_what_mends_wrong_ones_is_counted() -> None:
    """Clips of 'up' that get darker are wrong; played backwards they are right, and the right ones wrong."""
    own = clips(4)
    mixed = {"up": in_memory(torch.cat([own["up"].pixels, own["down"].pixels[:3]]), prefix="up"), "down": own["down"]}
    found = vt.probe(model(growth), mixed, edits=["reverse", "grey"])
    (mended,) = (each for each in found.mended() if (each.class_name, each.edit) == ("up", "reverse"))
    assert (mended.wrong, mended.mended, mended.right, mended.broken) == (3, 3, 4, 4)
    right, wrong = row(found, "reverse", of_clips="right"), row(found, "reverse", of_clips="wrong")
    assert (right.clips, wrong.clips) == (4, 3)
    assert right.effect < 0 < wrong.effect
    assert (right.accuracy_before, right.accuracy_after) == (1, 0)
    assert (wrong.accuracy_before, wrong.accuracy_after) == (0, 1)
    assert right.p is wrong.p is None
    assert found.confusion() == {("up", "up"): 4, ("up", "down"): 3, ("down", "down"): 4}
    assert found.confusion("reverse") == {("up", "down"): 4, ("up", "up"): 3, ("down", "up"): 4}
    assert any(
        "Of 3 wrong clips 3 become right when frames run backwards, and of 8 right clips 8 become" in each
        for each in found.sentences
    )
    with pytest.raises(NotFound, match="closest: 'reverse'"):
        found.confusion("revers")


# --- several models, subgroups, sources -------------------------------------------------------------------------


def test_two_models_are_compared_on_the_same_clips_by_a_paired_t_test() -> None:
    half = model(lambda x: growth(x) + 3 * x[:, 0].mean(dim=(1, 2, 3)), "half")
    found = vt.probe([model(growth), half], clips(), edits=["reverse", "grey", "blur"])
    assert list(found.manifest.models) == ["own", "half"]

    def changes(label: str) -> NDArray[np.float64]:
        rows = [each for each in found.clips if each["model"] == label]
        sigma = np.std([each[score_of("up")] for each in rows], ddof=1)
        return np.array(
            [(each[after("reverse", "score")] - each["score"]) / sigma for each in rows if each["class"] == "up"]
        )

    expected = stats.ttest_rel(changes("half"), changes("own"))
    (one,) = (each for each in found.differences if (each.edit, each.class_name) == ("reverse", "up"))
    interval = expected.confidence_interval()
    assert one.difference == pytest.approx((changes("half") - changes("own")).mean())
    assert (one.low, one.high) == pytest.approx((interval.low, interval.high))
    assert one.p == pytest.approx(expected.pvalue)
    assert (one.model, one.other, one.clips, one.sources) == ("half", "own", 12, 12)
    assert one.p_corrected >= one.p
    (shown,) = (each for each in found.differences if (each.edit, each.class_name) == ("blur", "up"))
    assert shown.p_corrected is None
    assert any(each.startswith("half relies less on the direction of time than own") for each in found.sentences)


def test_two_models_of_one_name_keep_apart() -> None:
    found = vt.probe([model(growth), model(growth)], clips(3), edits=["still"])
    assert list(found.manifest.models) == ["own", "own (2)"]
    assert all(each.difference == 0 for each in found.differences)
    assert all(each.p == 1 for each in found.differences)


def test_two_checkpoints_of_one_model_are_called_by_their_weights() -> None:
    models = []
    for weights in ("last.ckpt#net", "last.ckpt#ema"):
        one = model(growth)
        models.append(replace(one, card=one.card.model_copy(update={"weights": weights})))
    found = vt.probe(models, clips(3), edits=["still"])
    assert list(found.manifest.models) == ["own (last.ckpt#net)", "own (last.ckpt#ema)"]


def test_subgroups_and_sources_come_from_the_table() -> None:
    own = clips(8)
    rows = {
        str(each.video.path): {"site": "A" if number < 4 else "B", "source": f"day {number // 2}"}
        for each_class in own.values()
        for number, each in enumerate(each_class.records)
    }
    found = vt.probe(model(growth), own, edits=["reverse"], table=Labels(rows), by="site")
    assert row(found, "reverse").sources == 4
    assert row(found, "reverse").clips == 8
    group = row(found, "reverse", of_clips="site = A")
    assert (group.clips, group.sources) == (4, 2)
    scores = [each for each in found.clips if each["class"] == "up" and each["label site"] == "A"]
    e = np.array([each[after("reverse", "score")] - each["score"] for each in scores])
    assert group.raw == pytest.approx(e.reshape(2, 2).mean(axis=1).mean() / group.sigma)
    with pytest.raises(UnreadableText, match="no column 'sit'"):
        vt.probe(model(growth), own, table=Labels(rows), by="sit")
    with pytest.raises(ArgumentError, match="table"):
        vt.probe(model(growth), own, by="site")


def test_of_one_class_the_others_still_give_the_unit() -> None:
    found, alone = vt.probe(model(growth), clips(), target="up"), vt.probe(model(growth), clips()["up"], target="up")
    assert {each.class_name for each in found} == {"up"}
    assert row(found, "still").sigma > 3 * row(alone, "still").sigma
    assert "of 2 classes" in found.sentences[-1]
    assert "of 1 class " in alone.sentences[-1]


# --- files ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, up in (("up", 1), ("down", -1)):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for seed in range(4):
            film = np.repeat(np.repeat(frames(seed, up), 4, axis=1), 4, axis=2)
            write_video(tmp_path / "videos" / name / f"{seed}.mp4", np.repeat(film, 3, axis=0), frames_per_second=20)
    return tmp_path


def test_a_folder_of_classes_is_read_saved_and_read_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = vt.probe(model(growth), folder / "videos", folder / "probe", edits=["still", "reverse", "blur"])
    again = vt.read_probe(folder / "probe")
    assert again.effects == found.effects
    assert again.clips == found.clips
    assert again.manifest == found.manifest
    assert repr(again) == "\n".join(found.sentences)
    assert len(again.to_pandas()) == len(found)
    names = {each.name for each in (folder / "probe").iterdir()}
    assert names == {"manifest.json", "effects.parquet", "clips.parquet", "report.html", "media"}
    page = (folder / "probe" / "report.html").read_bytes()
    assert vt.report(folder / "probe").read_bytes() == page
    assert found.save(folder / "copy") == folder / "copy"
    assert vt.read_probe(folder / "copy").effects == found.effects
    assert pq.read_table(folder / "probe" / "clips.parquet").num_rows == 8
    with pytest.raises(PathTaken):
        vt.probe(model(growth), folder / "videos", folder / "probe")
    (folder / "probe" / "clips.parquet").write_bytes((folder / "copy" / "effects.parquet").read_bytes())
    with pytest.raises(RunFolderError, match="checksum"):
        vt.read_probe(folder / "probe")


def test_files_say_what_the_same_clips_in_memory_say(folder: Path) -> None:
    by_hand = {name: vt.read_clips(folder / "videos" / name, SPEC) for name in ("down", "up")}
    from_files = vt.probe(model(growth), folder / "videos")
    assert [dict(each) for each in vt.probe(model(growth), by_hand).clips] == [dict(each) for each in from_files.clips]


def test_a_table_says_the_class_of_each_video(folder: Path) -> None:
    lines = [f"videos/{name}/{seed}.mp4,{name}" for name in ("up", "down") for seed in range(4)]
    (folder / "labels.csv").write_text("\n".join(["file,class", *lines[:-1]]), encoding="utf-8")
    found = vt.probe(model(growth), folder / "videos", table=folder / "labels.csv", edits=["still"])
    assert {each["clip"] for each in found.clips} == {str(folder / line.partition(",")[0]) for line in lines[:-1]}
    assert any("1 video without a class" in each for each in found.manifest.remarks)


def test_a_broken_video_is_told_or_left_out(folder: Path) -> None:
    (folder / "videos" / "up" / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(VideosError, match="broken"):
        vt.probe(model(growth), folder / "videos", folder / "probe", edits=["still"])
    assert not (folder / "probe").exists()
    found = vt.probe(model(growth), folder / "videos", edits=["still"], skip_bad=True)
    assert [Path(each).name for each in found.manifest.left_out] == ["broken.mp4"]
    assert len(found.clips) == 8


def test_what_does_not_fit_is_told_in_one_sentence(folder: Path) -> None:
    own = model(growth)
    videos = folder / "videos"
    with pytest.raises(ArgumentError, match="nothing says of which class"):
        vt.probe(own, videos / "up")
    with pytest.raises(ClassNotFound, match="closest: 'up'"):
        vt.probe(own, videos / "up", target="upp")
    with pytest.raises(ClassNotFound, match="closest: 'down'"):
        vt.probe(own, {"downn": clips(3)["down"]})
    with pytest.raises(ArgumentError, match="no edit 'stil' of whole clips; closest: 'still'"):
        vt.probe(own, clips(3), edits=["stil"])
    with pytest.raises(ArgumentError, match="named twice"):
        vt.probe(own, clips(3), edits=["still", "still"])
    with pytest.raises(ArgumentError, match="one edit"):
        vt.probe(own, clips(3), edits=[])
    with pytest.raises(ArgumentError, match="there are no clips of 'down'"):
        vt.probe(own, {"up": clips(3)["up"]}, target="down")
    with pytest.raises(NotEnoughData, match="'up' has 1"):
        vt.probe(own, {"up": Clips(clips(1)["up"].records, clips(1)["up"].pixels), "down": clips(3)["down"]})
    (folder / "empty" / "up").mkdir(parents=True)
    with pytest.raises(VideoNotFound, match="no video"):
        vt.probe(own, folder / "empty")
    (folder / "bare").mkdir()
    with pytest.raises(VideosError, match="no video"):
        vt.probe(own, folder / "bare", target="up")
    (videos / "stray.mp4").write_bytes((videos / "up" / "0.mp4").read_bytes())
    with pytest.raises(ArgumentError, match="stray"):
        vt.probe(own, videos)
    with pytest.raises(NumericalError, match="same for all clips"):
        vt.probe(model(lambda x: 0 * x.sum(dim=(1, 2, 3, 4))), clips(3))


def test_a_nan_names_the_clip_and_the_edit() -> None:
    def root(x: Tensor) -> Tensor:
        return growth(x).sqrt()

    with pytest.raises(NumericalError, match=r"up-0-0\.mp4 after reverse"):
        vt.probe(model(root), {"up": clips(3)["up"]}, edits=["reverse"])


def test_pixels_that_are_no_pictures_are_refused() -> None:
    noise = in_memory(torch.randn(3, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0)), prefix="up")
    with pytest.raises(ArgumentError, match="whole grey levels"):
        vt.probe(model(growth), noise, target="up")


def test_margins_and_level_come_from_the_settings() -> None:
    wide = AnalysisSettings(negligible_below=4.0, equivalence_margin=5.0)
    found = vt.probe(model(growth), clips(), edits=["reverse"], settings=wide)
    assert row(found, "reverse").verdict == "negligible"
    assert found.manifest.negligible_below == 4.0


def test_a_pass_that_is_too_large_is_made_of_smaller_ones() -> None:
    class Small(Reads):
        most = 99

        def forward(self, x: Tensor) -> Tensor:
            if len(x) > self.most:
                raise torch.OutOfMemoryError("out of memory")
            return super().forward(x)

    small = quietly(Small(growth), card=ModelCard(name="own", clip_spec=SPEC, classes=("up", "down")))
    small.module.most = 2
    found, whole = (vt.probe(each, clips(3), edits=["reverse"]) for each in (small, model(growth)))
    assert [each["score"] for each in found.clips] == pytest.approx([each["score"] for each in whole.clips])
    one = vt.probe(model(growth), clips(3), edits=["reverse"], batch_size=1)
    assert [each["score"] for each in one.clips] == pytest.approx([each["score"] for each in whole.clips])


def test_models_that_read_clips_of_their_own_are_asked_of_the_same_videos(folder: Path) -> None:
    spec = SPEC.model_copy(update={"frames": 6, "height": 4, "width": 4, "resize": 4})
    other = quietly(Reads(growth), card=ModelCard(name="other", clip_spec=spec, classes=("up", "down")))
    found = vt.probe({"one": model(growth), "two": other}, folder / "videos", edits=["reverse"])
    of_one, of_two = ([each["clip"] for each in found.clips if each["model"] == label] for label in ("one", "two"))
    assert of_one == of_two
    assert {each.model for each in found} == {"one", "two"}
    with pytest.raises(ArgumentError, match="shape"):
        vt.probe([model(growth), other], clips(3))


def test_a_class_says_beside_others_what_it_says_alone() -> None:
    """But for the unit of its effects."""
    both, alone = vt.probe(model(growth), clips(4)), vt.probe(model(growth), clips(4)["up"], target="up")
    for edit in RANKED:
        first, second = row(both, edit), row(alone, edit)
        assert first.raw * first.sigma == pytest.approx(second.raw * second.sigma)


def test_what_a_store_keeps_is_not_passed_again_and_is_the_same_to_the_bit(tmp_path: Path) -> None:
    passed: list[int] = []

    def counted(x: Tensor) -> Tensor:
        passed.append(len(x))
        return growth(x)

    asked = model(counted)
    passed.clear()
    first = vt.probe(asked, clips(4), edits=["reverse", "grey"], store=tmp_path / "store")
    assert sum(passed) == 24
    passed.clear()
    again = vt.probe(asked, clips(4), edits=["reverse", "grey"], store=tmp_path / "store")
    assert not passed
    assert (again.clips, again.effects) == (first.clips, first.effects)
    more = vt.probe(asked, clips(5), edits=["reverse", "still"], store=tmp_path / "store")
    assert sum(passed) == 16  # still of ten clips; two clips that are new, as they are and reversed; passes of four
    assert more.clips == vt.probe(model(growth), clips(5), edits=["reverse", "still"]).clips
    shards = sorted((tmp_path / "store").glob("*/*.safetensors"))
    content = bytearray(shards[0].read_bytes())
    content[-1] ^= 255
    shards[0].write_bytes(content)
    with pytest.warns(VideotcavWarning, match="passed again"):
        mended = vt.probe(asked, clips(4), edits=["reverse", "grey"], store=tmp_path / "store")
    assert mended.clips == first.clips


def test_what_was_passed_before_a_probe_was_broken_off_is_not_passed_again(tmp_path: Path) -> None:
    passed: list[int] = []

    def broken_off(x: Tensor) -> Tensor:
        passed.append(len(x))
        if len(passed) == 4:
            raise KeyboardInterrupt
        return growth(x)

    asked = model(broken_off)
    passed.clear()
    with pytest.raises(KeyboardInterrupt):
        vt.probe(asked, clips(4), edits=["reverse", "grey"], store=tmp_path / "store")
    found = vt.probe(asked, clips(4), edits=["reverse", "grey"], store=tmp_path / "store")
    assert sum(passed) == 24 + 4  # the one pass that was broken off
    assert found.clips == vt.probe(model(growth), clips(4), edits=["reverse", "grey"]).clips


def test_a_store_keeps_models_apart(tmp_path: Path) -> None:
    class Weighed(Reads):
        def __init__(self, weight: float) -> None:
            super().__init__(growth)
            self.weight = nn.Parameter(torch.tensor(weight))

        def forward(self, x: Tensor) -> Tensor:
            return self.weight * super().forward(x)

    card = ModelCard(name="own", clip_spec=SPEC, classes=("up", "down"))
    for weight in (1.0, 2.0):
        asked = quietly(Weighed(weight), card=card)
        kept = vt.probe(asked, clips(3), edits=["reverse"], store=tmp_path / "store")
        assert kept.clips == vt.probe(asked, clips(3), edits=["reverse"]).clips


def test_views_of_a_video_are_one_clip_of_which_the_model_says_the_mean(tmp_path: Path) -> None:
    """Levels by hand: 40 and then 200 make two clips, a black left and a white right end two crops; mean 120."""
    levels: dict[str, float] = {}
    seen: dict[str, dict[str, float]] = {}
    for class_name in ("up", "down"):
        (tmp_path / class_name).mkdir()
    for number in range(4):
        dark, bright = 40 + number, 200 + 5 * number
        halves = np.repeat([dark, bright], 20).astype(np.uint8)
        levels[f"{number}.mp4"] = (dark + bright) / 2
        film = np.broadcast_to(halves[:, None, None, None], (40, 16, 32, 3)).copy()
        write_video(tmp_path / "up" / f"{number}.mp4", film, frames_per_second=10)
        film[:, :, :8], film[:, :, 24:] = film[:, :, :8] // 2, film[:, :, 24:] // 2  # half of the crop at either end
        write_video(tmp_path / "down" / f"{number}.mp4", film, frames_per_second=10)
    own = model(lambda x: x.mean(dim=(1, 2, 3, 4))).with_clip(clips_per_video=2, crops_per_clip=3)
    found = vt.probe(own, tmp_path, edits=["still", "reverse"])
    for each in found.clips:
        level = (each[score_of("up")] / 2 + 0.5) * 255
        seen.setdefault(each["class"], {})[Path(each["clip"]).name] = level
    assert len(found.clips) == 8
    assert "own is shown each video as 6 clips, whose logits are averaged." in found.manifest.remarks
    assert seen["up"] == pytest.approx(levels, abs=2)
    of_ends = {name: level * (1 + 2 * 0.75) / 3 for name, level in levels.items()}
    assert seen["down"] == pytest.approx(of_ends, abs=2.5)
    centre = vt.probe(model(own.module.what), tmp_path, edits=["still"])
    alone = {
        Path(each["clip"]).name: (each[score_of("up")] / 2 + 0.5) * 255
        for each in centre.clips
        if each["class"] == "down"
    }
    assert alone == pytest.approx(levels, abs=2)


def test_an_edit_of_a_video_is_made_where_it_is_of_all_its_views(tmp_path: Path) -> None:
    for name in ("up", "down"):
        (tmp_path / name).mkdir()
        for number in range(3):
            film = np.full((40, 16, 16, 3), 90 + 10 * number, np.uint8)
            film[:20] += np.random.default_rng(number).integers(0, 60, (20, 16, 16, 3), np.uint8)  # then a plain field
            write_video(tmp_path / name / f"{number}.mp4", film, frames_per_second=10)
    spec = {"clips_per_video": 2, "frames": 8, "height": 16, "width": 16, "resize": 16}
    brightness = model(lambda x: x.mean(dim=(1, 2, 3, 4)))
    found = vt.probe(brightness.with_clip(**spec), tmp_path, edits=["still part"])
    whys = {each.why for each in found if each.edit == "still part"}
    assert found.manifest.clips == 6
    assert all(whys), whys


def test_clips_at_hand_are_views_already() -> None:
    asked = vt.probe(model(growth).with_clip(clips_per_video=3), clips(3), edits=["still"])
    assert [each["score"] for each in asked.clips] == [
        each["score"] for each in vt.probe(model(growth), clips(3), edits=["still"]).clips
    ]


def test_a_clip_spec_that_cannot_be_is_one_sentence() -> None:
    with pytest.raises(ArgumentError, match="clips of own: crops_per_clip: Input should be 1 or 3"):
        model(growth).with_clip(crops_per_clip=2)
