"""The bundled model: small, right, and moved by nothing but motion."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.stats import binomtest

from validation.train_swin import evaluate, train
from videotcav.errors import ModelError
from videotcav.planted.factors import BACKGROUNDS, DISTRACTORS, MOTIONS, SHAPES
from videotcav.planted.model import WEIGHTS, build, load
from videotcav.planted.scenes import render_batch, sample_scene, swap


@pytest.fixture(scope="module")
def swin():
    return load("swin")


def logits(swin, scenes) -> torch.Tensor:
    module, card = swin
    spec = card.clip_spec
    levels = render_batch(scenes, height=spec.height, width=spec.width, frames=spec.frames)
    pixels = ((levels / 255 - torch.tensor(spec.mean)) / torch.tensor(spec.std)).permute(0, 4, 1, 2, 3)
    with torch.inference_mode():
        return module(pixels)


def test_the_weights_are_small_and_the_card_names_them(swin):
    assert WEIGHTS.stat().st_size <= 3_000_000
    assert swin[1].weights_sha256 == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert swin[1].classes == MOTIONS
    assert not swin[0].training


def test_the_log_says_how_the_weights_came_to_be():
    log = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert log["held_out_clips"] >= 1000
    assert log["accuracy"] >= 0.95
    assert np.sum(log["confusion"]) == log["held_out_clips"]
    assert np.trace(log["confusion"]) == round(log["accuracy"] * log["held_out_clips"])


def test_fresh_scenes_bear_out_the_log(swin):
    """The log's accuracy is measured on a thousand scenes; 300 fresh ones can only refute it, and do not."""
    claimed = json.loads(WEIGHTS.with_suffix(".json").read_text())["accuracy"]
    rng = np.random.default_rng(2025)
    scenes = [sample_scene(rng) for _ in range(300)]
    given = torch.cat([logits(swin, scenes[first : first + 50]) for first in range(0, 300, 50)]).argmax(1)
    right = sum(MOTIONS[answer] == scene.motion for answer, scene in zip(given, scenes, strict=True))
    assert binomtest(right, 300, claimed, alternative="less").pvalue > 0.01


def test_video_files_are_judged_as_the_pixels_they_hold(swin):
    """The way through H.264, at another size, to the model's own reading of clips costs at most a clip or two."""
    log = evaluate(swin[0], clips=25, rng=np.random.default_rng(2025))
    assert log["accuracy"] >= 0.9
    assert np.sum(log["confusion"]) == 25
    assert log["accuracy_interval"][0] < log["accuracy"] <= log["accuracy_interval"][1]


def test_the_truth_is_motion(swin):
    """Interventions on swings: the swing's logit falls when the motion is changed, and hardly for anything else."""
    swing = MOTIONS.index("swing")
    rng = np.random.default_rng(77)
    scenes = [sample_scene(rng, class_name="swing") for _ in range(24)]
    before = logits(swin, scenes)[:, swing]

    def change(factor, values) -> float:
        """Mean absolute change of the swing's logit over interventions."""
        after = [logits(swin, [swap(scene, **{factor: value}) for scene in scenes])[:, swing] for value in values]
        return float(torch.stack([(logit - before).abs() for logit in after]).mean())

    motion = change("motion", [motion for motion in MOTIONS if motion != "swing"])
    for factor, values in (("distractor", DISTRACTORS), ("background", BACKGROUNDS), ("shape", SHAPES)):
        assert change(factor, values) < 0.25 * motion, factor


def test_layers_have_the_layouts_of_the_card(swin):
    module, card = swin
    shapes = {}
    hooks = [
        module.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: shapes.update({name: tuple(output.shape)})
        )
        for name in card.default_layers
    ]
    logits(swin, [sample_scene(np.random.default_rng(0))])
    for hook in hooks:
        hook.remove()
    assert shapes == {
        "features.0": (1, 4, 16, 16, 32),
        "features.2": (1, 4, 8, 8, 64),
        "features.4": (1, 4, 4, 4, 128),
    }


def test_another_name_is_refused():
    with pytest.raises(ModelError, match=r"'swim'.*'swin'"):
        load("swim")


def test_own_weights_are_loaded(tmp_path):
    torch.manual_seed(0)
    module = build()
    save_file(module.state_dict(), tmp_path / "mine.safetensors")
    loaded, card = load("swin", weights=str(tmp_path / "mine.safetensors"))
    assert torch.equal(loaded.head.weight, module.head.weight)
    assert card.weights == str(tmp_path / "mine.safetensors")


def test_unfit_weights_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"missing.safetensors.*leave `weights` out"):
        load("swin", weights=str(tmp_path / "missing.safetensors"))
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(ModelError, match=r"broken.safetensors.*leave `weights` out"):
        load("swin", weights=str(tmp_path / "broken.safetensors"))
    save_file({"head.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="another network"):
        load("swin", weights=str(tmp_path / "other.safetensors"))


def test_training_writes_weights_and_a_log(tmp_path):
    """Two steps are no training; the same seed gives the same weights."""
    options = {"seed": 5, "steps": 2, "scenes_per_step": 1, "held_out": 2}
    log = train(tmp_path / "one.safetensors", **options)
    again = train(tmp_path / "two.safetensors", **options)
    assert log == again == json.loads((tmp_path / "one.json").read_text())
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert log["held_out_clips"] == 2
    load("swin", weights=str(tmp_path / "one.safetensors"))
