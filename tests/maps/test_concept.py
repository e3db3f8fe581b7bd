"""CAV maps of a model that reads a concept at one place and at one moment only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import videotcav as vt
from support.clips import in_memory
from videotcav.errors import PathTaken, RunFolderError
from videotcav.maps import concept as concept_module
from videotcav.maps.concept import concept_maps
from videotcav.maps.concept_view import ConceptMaps, ConceptMapSettings
from videotcav.models.model import VideoModel
from videotcav.records import ModelCard
from videotcav.video.clips import Clips

T, H, W = 2, 1, 3
QUICK = ConceptMapSettings(pseudo_concepts=99, random_sets=2)


class OnePlace(nn.Module):
    """Tokens of 2 × 8 × 8 pixels; the class `there` reads all channels of the token at (T, H, W) and no other."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Conv3d(3, 4, kernel_size=(2, 8, 8), stride=(2, 8, 8), bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        score = self.tokens(pixels)[:, :, T, H, W].pow(2).sum(dim=1)
        return torch.stack([score, torch.zeros_like(score)], dim=1)


@pytest.fixture
def model(token_net: VideoModel) -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = OnePlace()
    card = ModelCard(
        name="one place",
        clip_spec=token_net.card.clip_spec,
        classes=("there", "nothing"),
        layouts={"tokens": "b c t h w"},
    )
    return VideoModel(module, card)


def made(count: int, *, seed: int, pattern: Tensor | None = None) -> Clips:
    pixels = 0.3 * torch.randn(count, 3, 8, 32, 32, generator=torch.Generator().manual_seed(seed))
    if pattern is not None:
        pixels = pixels + pattern
    return in_memory(pixels, prefix=str(seed))


def test_the_concept_is_found_where_the_class_reads_it(model: VideoModel) -> None:
    pattern = torch.zeros(3, 8, 32, 32)
    kernel = model.module.tokens.weight.detach()[0]
    pattern[:, 2 * T : 2 * T + 2, 8 * H : 8 * H + 8, 8 * W : 8 * W + 8] = 2 * kernel / kernel.abs().max()
    found = concept_maps(
        model,
        made(3, seed=1, pattern=pattern),
        target="there",
        concept=made(10, seed=2, pattern=pattern),
        random=made(30, seed=3),
        layer="tokens",
        settings=QUICK,
    )
    only = torch.zeros(4, 4, 4, dtype=torch.bool)
    only[T, H, W] = True
    assert found.densities.shape == (3, 4, 4, 4)
    assert (found.densities[:, ~only.numpy()] == 0).all()
    assert (found.densities[:, only.numpy()] > 0).all()
    for test in (*found.tests, found.together):
        assert (test.significant() == only.numpy()).all()
        assert test.clusters[0].p == 1 / 100
    assert "more than chance somewhere in 3" in repr(found)


def test_the_density_is_that_of_the_direction_itself(model: VideoModel) -> None:
    """One class clip, by hand: g = 2a at the one place; the density there is 2a·v."""
    clips, concept, random = made(1, seed=4), made(6, seed=5), made(20, seed=6)
    settings = ConceptMapSettings(pseudo_concepts=19, random_sets=1)
    found = concept_maps(
        model, clips, target="there", concept=concept, random=random, layer="tokens", settings=settings
    )
    again = concept_maps(
        model, clips, target="there", concept=concept, random=random, layer="tokens", settings=settings
    )
    assert (found.densities == again.densities).all()
    token = model.module.tokens(clips.pixels).detach()[0, :, T, H, W]
    assert abs(found.densities[0, T, H, W]) <= float(2 * token.norm())  # |v| ≤ 1
    assert found.densities[0].sum() == found.densities[0, T, H, W]


def test_the_map_is_the_same_where_memory_holds_no_activation(
    model: VideoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> ConceptMaps:
        clips, concept, random = made(2, seed=4), made(6, seed=5), made(20, seed=6)
        settings = ConceptMapSettings(pseudo_concepts=19, random_sets=1, batch_size=4)
        return concept_maps(
            model, clips, target="there", concept=concept, random=random, layer="tokens", settings=settings
        )

    in_memory = found()
    monkeypatch.setattr(concept_module, "MEMORY_BYTES", 0)
    assert (found().densities == in_memory.densities).all()


def test_a_concepts_maps_read_back_to_the_bit(model: VideoModel, clips: Clips, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    shown = Clips(clips.records, made(3, seed=4).pixels)  # of videos that are there
    settings = ConceptMapSettings(pseudo_concepts=19, random_sets=1, threshold=0.5)
    found = concept_maps(
        model, shown, target=0, concept=made(6, seed=5), random=made(20, seed=6), layer="tokens", settings=settings
    )
    assert any(test.clusters for test in found.tests)
    back = ConceptMaps.read(found.save(tmp_path / "maps"))
    assert back.densities.tobytes() == found.densities.tobytes()
    for name in ("model", "clips", "concept", "target", "layer", "size", "settings"):
        assert getattr(back, name) == getattr(found, name)
    for one, other in zip((*back.tests, back.together), (*found.tests, found.together), strict=True):
        assert one.z.tobytes() == other.z.tobytes()
        assert [(each.mass, each.sign, each.p) for each in one.clusters] == [
            (each.mass, each.sign, each.p) for each in other.clusters
        ]
        for cluster, same in zip(one.clusters, other.clusters, strict=True):
            assert (cluster.where == same.where).all()
    table = back.to_pandas()
    assert list(table) == [
        *("clip", "first_seconds", "last_seconds", "concept", "layer", "class_name"),
        *("sensitivity", "clusters", "smallest_p", "beyond_chance", "peak_frame", "peak_seconds"),
    ]
    assert table["sensitivity"].to_list() == pytest.approx(found.densities.sum(axis=(1, 2, 3)))
    assert set(table["peak_frame"]) <= {2 * T, 2 * T + 1}  # all of the density is in that step
    assert back.plot(2).axes
    assert back.report(tmp_path / "page.html").read_text(encoding="utf-8").count("<img") == 3
    assert vt.report(tmp_path / "maps").is_file()
    with pytest.raises(RunFolderError, match="another kind"):
        vt.ClipMaps.read(tmp_path / "maps")
    with pytest.raises(PathTaken, match="exists already"):
        found.save(tmp_path / "maps")
    (tmp_path / "maps" / "maps.safetensors").write_bytes(b"")
    with pytest.raises(RunFolderError, match="checksum"):
        ConceptMaps.read(tmp_path / "maps")
