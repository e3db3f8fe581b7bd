"""Why maps of the bundled Swin point where they do: what the grid allows, where the evidence is, and when.

    python benchmarks/cam_why.py [--clips 48]

Scenes of known boxes, straight from the renderer, that the model gets right. No map is judged by another map:

- `grid`: the best that a map on each layer's grid can do, the box itself averaged to the grid and enlarged again;
- `tokens`: an intervention inside the network. Each block of a layer's tokens is set to the layer's mean token, and the
  class's logit falls or does not. Where it falls is where that layer keeps the evidence, whatever a map says;
- `maps`: every method at each layer, beside it;
- `frames`: an intervention on the clip. Each frame is covered by the clip's mean colour;
- `contrast`: integrated gradients start from a blurred clip, so that anything with edges could be marked. The contrast
  itself, and the same integral on the network with its weights in random places, say how much of it is learned.

`on the object` and `on the distractor` are energy in the boxes of each, over their share of the volume: 1 is chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from einops import rearrange
from torch import Tensor

from harness import Book, Cells, options, taken
from validation.targets import Promise, at_least
from videotcav.explain.saliency.cam import METHODS, upsample
from videotcav.explain.saliency.measures import (
    blurred,
    energy_ratio,
    losses_by_frame,
    mean_colour,
    motion_map,
    pointing_in_space,
    pointing_in_time,
)
from videotcav.maps import layer_maps
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel, borrowed
from videotcav.models.passes import logits, volumes
from videotcav.models.randomised import randomised
from videotcav.planted.factors import MOTIONS, Scene, sample_scene
from videotcav.planted.model import CLIP_SPEC
from videotcav.planted.scenes import boxes, render_batch

TARGETS = {
    "on_the_object": ("energy in the box ÷ its share", 3),
    "pointing_in_space": ("pointing in space", 0.8),
    "pointing_in_time": ("pointing in time", 0.8),
}
BLOCKS = {"features.0": 4, "features.2": 2, "features.4": 1}
"""Tokens of a side that are set to the mean together: an eighth of the frame, or a token where that is more."""


class Scenes:
    """Clips that the model gets right, with their truth: boxes of both objects, and the frames around the peak."""

    def __init__(self, model: VideoModel, *, clips: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        moving = [motion for motion in MOTIONS if motion != "rest"]
        drawn = [sample_scene(rng, class_name=moving[number % len(moving)]) for number in range(clips)]
        side, frames = CLIP_SPEC.height, CLIP_SPEC.frames
        mean, std = torch.tensor(CLIP_SPEC.mean), torch.tensor(CLIP_SPEC.std)
        levels = render_batch(drawn, height=side, width=side, frames=frames)
        pixels = rearrange((levels / 255 - mean) / std, "n t h w c -> n c t h w").contiguous()
        answers = torch.tensor([MOTIONS.index(scene.motion) for scene in drawn])
        right = torch.cat([logits(model, batch) for batch in torch.split(pixels, 16)]).argmax(dim=1) == answers
        self.pixels, self.answers = pixels[right], answers[right]
        kept = [scene for scene, good in zip(drawn, right.tolist(), strict=True) if good]
        self.actor, self.distractor = (
            torch.stack([_inside(scene, name) for scene in kept]) for name in ("actor", "distractor")
        )
        times = torch.linspace(0, 1, frames)
        near = [(times - scene.event_time).abs() <= 1 / (frames - 1) + 1e-6 for scene in kept]
        self.event = torch.stack(near)

    def findings(self, maps: Tensor) -> dict[str, float]:
        """How a map for each clip does against the truth."""
        measured = {
            "on_the_object": energy_ratio(maps, self.actor),
            "on_the_distractor": energy_ratio(maps, self.distractor),
            "pointing_in_space": pointing_in_space(maps, self.actor),
            "pointing_in_time": pointing_in_time(maps, self.event),
        }
        return {name: round(float(values.nanmean()), 3) for name, values in measured.items()}

    def each(self, one: Callable[[Tensor, int], Tensor]) -> Tensor:
        """What `one` gives for each clip and its class, stacked."""
        return torch.stack([one(clip, int(index)) for clip, index in zip(self.pixels, self.answers, strict=True)])


def _inside(scene: Scene, name: str) -> Tensor:
    side, frames = CLIP_SPEC.height, CLIP_SPEC.frames
    inside = torch.zeros(frames, side, side, dtype=torch.bool)
    for frame, box in zip(inside, boxes(scene, height=side, width=side, frames=frames)[name], strict=True):
        if box is not None:
            frame[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
    return inside


def class_map(model: VideoModel, clip: Tensor, index: int, *, layer: str, method: str) -> Tensor:
    """The map of one clip for one class, `time height width`."""
    return layer_maps(model, clip[None], layers=[layer], classes=[index], method=method)[0][0, 0, 0]


def enlarged(small: Tensor) -> Tensor:
    """Maps on a layer's grid at the clips' size."""
    return upsample(small, frames=CLIP_SPEC.frames, height=CLIP_SPEC.height, width=CLIP_SPEC.width)


def token_losses(model: VideoModel, clip: Tensor, index: int, *, layer: str) -> Tensor:
    """How much the logit falls by each block of tokens that is set to the mean token, `time height width`."""
    swin: Any = model.module  # torchvision's Swin, which has no types
    block = BLOCKS[layer]
    stage = int(layer.rpartition(".")[2])

    def onwards(tokens: Tensor) -> Tensor:
        scores: Tensor = swin.head(swin.norm(swin.features[stage + 1 :](tokens)).mean(dim=(1, 2, 3)))
        return scores[:, index]

    with borrowed(swin), torch.no_grad():
        tokens = swin.features[: stage + 1](swin.pos_drop(swin.patch_embed(clip[None])))
        _, time, height, width, _ = tokens.shape
        mean = tokens.mean(dim=(1, 2, 3))
        changed = []
        for t in range(time):
            for h in range(0, height, block):
                for w in range(0, width, block):
                    one = tokens[0].clone()
                    one[t, h : h + block, w : w + block] = mean
                    changed.append(one)
        whole = onwards(tokens)
        losses = whole - torch.cat([onwards(batch) for batch in torch.split(torch.stack(changed), 64)])
    return losses.view(time, height // block, width // block)


def promises(cells: Cells) -> Iterator[Promise]:
    """Maps of the tool's own default, and of the method that docs/cam.md advises, point at the planted truth."""
    asked = {"grad-cam, the default": "maps of features.4", "integrated gradients": "integrated gradients"}
    for method, title in asked.items():
        if title not in cells or "scenes" not in cells:
            continue
        found = cells[title]["findings"]
        found = found.get("grad-cam", found)
        for name, (what, least) in TARGETS.items():
            yield Promise(
                area="maps",
                what=f"bundled Swin, {method}, {what}",
                target=at_least(least),
                value=found[name],
                n=cells["scenes"]["findings"]["right"],
                **taken(cells[title]),
            )


def main() -> None:
    """Take all cells and write them down."""
    parser = options(__doc__)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    book = Book(__file__, "Why maps of the bundled Swin point where they do", arguments, promises)
    model = load_model("planted:swin")
    scenes = Scenes(model, clips=arguments.clips, seed=arguments.seed)
    share = round(float(scenes.actor.float().mean()), 3)
    book.note("scenes", drawn=arguments.clips, right=len(scenes.pixels), object_share_of_volume=share)
    for title in book.wanted(*(f"grid of {layer}" for layer in BLOCKS)):
        layer = title.rpartition(" ")[2]
        time, height, width = volumes(model, scenes.pixels[:1], [layer], ()).activations[layer].shape[2:]
        small = F.adaptive_avg_pool3d(scenes.actor.float()[:, None], (time, height, width))[:, 0]
        book.note(title, **scenes.findings(enlarged(small)))
    for title in book.wanted(*(f"tokens of {layer}" for layer in BLOCKS)):
        layer = title.rpartition(" ")[2]
        losses = scenes.each(partial(token_losses, model, layer=layer))
        book.note(title, **scenes.findings(enlarged(losses.relu())))
    for title in book.wanted(*(f"maps of {layer}" for layer in BLOCKS)):
        layer = title.rpartition(" ")[2]
        found = {}
        for method in METHODS:
            maps = scenes.each(partial(class_map, model, layer=layer, method=method))
            found[method] = scenes.findings(maps)
        book.note(title, **found)
    for title in book.wanted("frames"):
        losses = scenes.each(
            lambda clip, index: losses_by_frame(
                lambda batch: logits(model, batch)[:, index], clip[None], mean_colour(clip[None])
            )[0]
        )
        most = scenes.event.gather(1, losses.argmax(dim=1, keepdim=True)).float().mean()
        book.note(
            title,
            mean_loss_of_logit=[round(value, 2) for value in losses.mean(dim=0).tolist()],
            most_needed_frame_lies_in_event=round(float(most), 3),
            chance=round(float(scenes.event.float().mean()), 3),
        )
    blank = randomised(model, rng=np.random.default_rng(0))
    for title in book.wanted("contrast", "integrated gradients", "integrated gradients, random weights"):
        if title == "contrast":
            maps = (scenes.pixels - blurred(scenes.pixels, sigma=CLIP_SPEC.width / 10)).abs().sum(dim=1)
        else:
            asked = blank if "random" in title else model
            maps = scenes.each(partial(class_map, asked, layer="pixels", method="integrated-gradients"))
        book.note(title, **scenes.findings(maps))
    for title in book.wanted("moving pixels"):
        book.note(title, **scenes.findings(motion_map(scenes.pixels)))


if __name__ == "__main__":
    main()
