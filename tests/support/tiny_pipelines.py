"""Text-to-video pipelines of diffusers with random weights, tens of thousands of parameters each, in a folder."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from videotcav.compat.torchvision import import_torchvision

import_torchvision()  # before transformers, which gives up where it fails
diffusers: Any = importlib.import_module("diffusers")
transformers: Any = importlib.import_module("transformers")


UNKNOWN = "<unk>"


def _tokenizer() -> Any:

    words = ["<pad>", "</s>", UNKNOWN, *(f"w{number}" for number in range(20))]
    inner = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=UNKNOWN))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": UNKNOWN}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=16, **named)


def _written(pipeline: Any, folder: Path) -> Path:
    # Layers that show the text begin at zero here and there; random ones show every word.
    generator = torch.Generator().manual_seed(0)
    for part in pipeline.components.values():
        for parameter in part.parameters() if isinstance(part, torch.nn.Module) else ():
            with torch.no_grad():
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)

    transformers.utils.logging.disable_progress_bar()
    pipeline.save_pretrained(folder)
    (folder / "README.md").write_text("---\ntags: [video]\nlicense: apache-2.0\n---\n# Tiny\n")
    return folder


def write_wan(folder: Path) -> Path:

    torch.manual_seed(0)
    text = transformers.UMT5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    parts = {
        "vae": diffusers.AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        "text_encoder": transformers.UMT5EncoderModel(text),
        "transformer": diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
            text_dim=16, freq_dim=32, ffn_dim=16, num_layers=1, rope_max_seq_len=32,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    }  # fmt: skip
    return _written(diffusers.WanPipeline(tokenizer=_tokenizer(), **parts), folder)


def write_ltx(folder: Path) -> Path:

    torch.manual_seed(0)
    scaling = (True, True, False, False)
    parts = {
        "vae": diffusers.AutoencoderKLLTXVideo(
            latent_channels=8, block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4, patch_size=1,
            layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 5, spatio_temporal_scaling=scaling,
            decoder_spatio_temporal_scaling=scaling, decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4,
            upsample_factor=(1,) * 4,
        ),
        "text_encoder": transformers.T5EncoderModel(
            transformers.T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
        ),
        "transformer": diffusers.LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=8, cross_attention_dim=32,
            num_layers=1, caption_channels=16,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
    }  # fmt: skip
    return _written(diffusers.LTXPipeline(tokenizer=_tokenizer(), **parts), folder)
