"""What is known of each family of transformers' video classifiers: frames, token layouts, layers worth looking at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from videotcav.models.layout import Grid

_CHANNELS_FIRST = "b c t h w"
_TOKENS = "b (t h w) c"
_TOKENS_AFTER_CLASS = "b 1+(t h w) c"
_PLACES_AFTER_CLASS = "b 1+(h w t) c"
_FRAMES_AFTER_CLASS = "(b t) 1+(h w) c"
_POOLED = "b c"


@dataclass(frozen=True)
class TransformersFamily:
    """What the classifiers of one `config.model_type` have in common; every function takes the config.

    `seconds` between frames are those with which the published weights were evaluated, as no config says them; None
    where there are no such weights. `blocks` names the encoder's blocks, `sees_grid_at_end` says whether the head reads
    the tokens that the last block gives: a class token alone leaves them without a gradient.
    """

    blocks: Callable[[Any], Sequence[str]]
    seconds: Callable[[Any], float] | None
    grid: Callable[[Any], Grid]
    layouts: Callable[[Any], dict[str, str]]
    degenerate: Callable[[Any], tuple[str, ...]]
    sees_grid_at_end: Callable[[Any], bool] = field(default=lambda _: True)

    def default_layers(self, config: Any) -> tuple[str, ...]:
        """The block at the end of each quarter of the encoder, or the last one whose tokens the head still sees."""
        blocks = self.blocks(config)
        last = len(blocks) - 1 if self.sees_grid_at_end(config) else max(0, len(blocks) - 2)
        ends = (min(last, max(0, round(len(blocks) * quarter / 4) - 1)) for quarter in (1, 2, 3, 4))
        return tuple(blocks[end] for end in sorted(set(ends)))


def _numbered(blocks: str) -> Callable[[Any], Sequence[str]]:
    return lambda config: [blocks.format(number) for number in range(config.num_hidden_layers)]


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _grid(frames: int, side: Any, patch: Any, tubelet: int) -> Grid:
    (height, width), (rows, columns) = _pair(side), _pair(patch)
    return frames // tubelet, height // rows, width // columns


# --- VideoMAE: tubelets, no class token; the head reads their mean, or the first of them --------------------------


def _videomae_layouts(_: Any) -> dict[str, str]:
    return {
        "videomae.embeddings.patch_embeddings.projection": _CHANNELS_FIRST,
        "videomae.*": _TOKENS,
        "fc_norm": _POOLED,
        "classifier": _POOLED,
    }


def _videomae_degenerate(config: Any) -> tuple[str, ...]:
    return ("fc_norm" if config.use_mean_pooling else "videomae.layernorm", "classifier")


# --- TimeSformer: frames are embedded one by one, then the tokens of one place stand together ----------------------


def _timesformer_layouts(config: Any) -> dict[str, str]:
    block = "timesformer.encoder.layer.*"
    divided = {
        f"{block}.temporal_dense": "b (h w t) c",
        f"{block}.temporal_*": "(b h w) t c",
        f"{block}.layernorm_before": _FRAMES_AFTER_CLASS,
        f"{block}.attention*": _FRAMES_AFTER_CLASS,
    }
    return {
        "timesformer.embeddings.patch_embeddings.projection": "(b t) c h w",
        "timesformer.embeddings.patch_embeddings": "(b t) (h w) c",
        "timesformer.embeddings.pos_drop": _FRAMES_AFTER_CLASS,
        "timesformer.embeddings.time_drop": "(b h w) t c",
        "*.attn_drop": "",  # attention between tokens, not tokens
        **(divided if config.attention_type == "divided_space_time" else {}),
        "timesformer.*": _PLACES_AFTER_CLASS,
        "classifier": _POOLED,
    }


# --- ViViT: tubelets after a class token ---------------------------------------------------------------------------


def _vivit_layouts(_: Any) -> dict[str, str]:
    return {
        "vivit.embeddings.patch_embeddings.projection": _CHANNELS_FIRST,
        "vivit.embeddings.patch_embeddings": _TOKENS,
        "vivit.*": _TOKENS_AFTER_CLASS,
        "classifier": _POOLED,
    }


# --- V-JEPA 2: tubelets, read by a query of the head's own ---------------------------------------------------------


def _vjepa2_layouts(_: Any) -> dict[str, str]:
    return {
        "vjepa2.encoder.embeddings.patch_embeddings.proj": _CHANNELS_FIRST,
        "vjepa2.encoder.*": _TOKENS,
        "pooler.self_attention_layers.*": _TOKENS,
        "pooler": _POOLED,
        "classifier": _POOLED,
    }


# --- VideoPrism: frames are embedded one by one, then the tokens of one place stand together ------------------------


def _videoprism_blocks(config: Any) -> Sequence[str]:
    spatial = [f"vision_model.spatial_layers.{number}" for number in range(config.num_spatial_layers)]
    return [*spatial, *(f"vision_model.temporal_layers.{number}" for number in range(config.num_temporal_layers))]


def _videoprism_layouts(_: Any) -> dict[str, str]:
    return {
        "vision_model.spatial_embeddings.patch_embeddings.projection": _CHANNELS_FIRST,
        "vision_model.spatial_*": "(b t) (h w) c",
        "vision_model.layernorm1": "(b t) (h w) c",
        "vision_model.temporal_*": "(b h w) t c",
        "vision_model.layernorm2": "(b h w) t c",
    }


def _timesformer_seconds(config: Any) -> float:
    # 8 frames of every 32nd, 16 of every 16th, 96 of every 4th: the base, high-resolution and long models.
    return {8: 32, 16: 16, 96: 4}.get(config.num_frames, 8) / 30


FAMILIES = {
    "videomae": TransformersFamily(
        blocks=_numbered("videomae.encoder.layer.{}"),
        seconds=lambda _: 4 / 30,
        grid=lambda config: _grid(config.num_frames, config.image_size, config.patch_size, config.tubelet_size),
        layouts=_videomae_layouts,
        degenerate=_videomae_degenerate,
        sees_grid_at_end=lambda config: bool(config.use_mean_pooling),
    ),
    "timesformer": TransformersFamily(
        blocks=_numbered("timesformer.encoder.layer.{}"),
        seconds=_timesformer_seconds,
        grid=lambda config: _grid(config.num_frames, config.image_size, config.patch_size, 1),
        layouts=_timesformer_layouts,
        degenerate=lambda _: ("timesformer.layernorm", "classifier"),
        sees_grid_at_end=lambda _: False,
    ),
    "vivit": TransformersFamily(
        blocks=_numbered("vivit.layers.{}"),
        seconds=lambda _: 2 / 25,
        grid=lambda config: _grid(
            config.num_frames, config.image_size, tuple(config.tubelet_size[1:]), config.tubelet_size[0]
        ),
        layouts=_vivit_layouts,
        degenerate=lambda _: ("vivit.layernorm", "classifier"),
        sees_grid_at_end=lambda _: False,
    ),
    "vjepa2": TransformersFamily(
        blocks=_numbered("vjepa2.encoder.layer.{}"),
        # Some two seconds of video at 30 frames a second, whatever the number of frames.
        seconds=lambda config: max(1, 64 // config.frames_per_clip) / 30,
        grid=lambda config: _grid(config.frames_per_clip, config.crop_size, config.patch_size, config.tubelet_size),
        layouts=_vjepa2_layouts,
        degenerate=lambda _: (
            "pooler.cross_attention_layer",
            "pooler.cross_attention_layer.mlp",
            "pooler.cross_attention_layer.mlp.activation",
            "pooler.cross_attention_layer.mlp.fc2",
            "pooler",
            "classifier",
        ),
    ),
    "videoprism_vision_model": TransformersFamily(
        blocks=_videoprism_blocks,
        seconds=None,
        grid=lambda config: _grid(
            config.num_frames, config.image_size, tuple(config.tubelet_size[1:]), config.tubelet_size[0]
        ),
        layouts=_videoprism_layouts,
        degenerate=lambda _: ("head_layernorm", "classifier"),
    ),
}
"""By `config.model_type`."""
