"""On a real cluster of several nodes, each with its own processes and object store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videotcav.compat.torchvision import import_torchvision
from videotcav.concepts.detectors.detect import load_detector
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose
from videotcav.engine import on_ray
from videotcav.engine.local import here
from videotcav.engine.on_ray import OnRay
from videotcav.engine.store import Store
from videotcav.errors import EngineError, StoreError, VideotcavWarning
from videotcav.features import extract as shards
from videotcav.features.extract import ClipRef
from videotcav.features.measure import measure
from videotcav.models.load import load_model
from videotcav.records import ClipSpec, ModelCard, Progress, silent
from videotcav.study.probe import probe
from videotcav.video.write import write_video

pytest.importorskip("ray", reason="needs the extra 'ray'")
# How long an actor takes to come up is the machine's affair; the test of that warning looks for it.
pytestmark = pytest.mark.filterwarnings("ignore:no actor has come up")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that does no work, and one node of one core; tests add others."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - slow to import

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    import ray  # noqa: PLC0415 - as above

    ray.shutdown()
    made.shutdown()


@dataclass(frozen=True)
class Squares:
    """Two results an item: its square, and the negative; it warns of 3, refuses 13 and dies of 7."""

    def __call__(self, items: Iterable[int]) -> Iterator[tuple[int, int]]:
        for item in items:
            if item == 7:
                os._exit(1)  # as a machine that is out of memory does
            if item == 13:
                raise StoreError("13 is not squared")
            if item == 3:
                warnings.warn("3 is odd", VideotcavWarning, stacklevel=1)
            yield item, item * item
            yield item, -item * item


@dataclass(frozen=True)
class Loader:
    """Random pixels for a clip. Notes who begins which clip; on the node that is doomed it never ends.

    All others wait until that one has begun, however slowly its actor comes up.
    """

    notes: Path
    doomed: str = ""

    def __call__(self, clip: ClipRef, class_name: str | None) -> Tensor:
        import ray  # noqa: PLC0415 - in a process of Ray's

        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
        (self.notes / f"{clip.name}@{node}").touch()
        while self.doomed and (node == self.doomed or not list(self.notes.glob(f"*@{self.doomed}"))):
            threading.Event().wait(0.05)
        return torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(int(clip.key)))


@dataclass
class Source:
    """Twenty clips of sets and six of class a, by number."""

    load: Loader
    skip_bad: bool = False
    progress: Progress = silent
    left_out: dict[str, str] = field(default_factory=dict)

    def clips(self) -> dict[str | None, list[ClipRef]]:
        return {
            None: [ClipRef(str(number), f"set {number}") for number in range(20)],
            "a": [ClipRef(str(number), f"a {number}") for number in range(100, 106)],
        }

    def loader(self) -> Loader:
        return self.load


def test_the_cluster_makes_what_this_process_makes(cluster: Any) -> None:
    engine = OnRay(address=cluster.address)
    items = [5, 3, 8, 1]
    with pytest.warns(VideotcavWarning, match="3 is odd"):
        found = sorted(engine(Squares(), items))
    with pytest.warns(VideotcavWarning, match="3 is odd"):
        assert found == sorted(here(Squares(), items))
    assert list(engine(Squares(), [])) == []


def test_what_a_worker_raises_there_is_raised_here(cluster: Any) -> None:
    with pytest.raises(StoreError, match="13 is not squared"):
        list(OnRay(address=cluster.address)(Squares(), [1, 13]))


def test_an_item_that_ends_every_actor_ends_the_work(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "_MOST_LOSSES", 1)
    with (
        pytest.warns(VideotcavWarning, match="lost an actor .* done again elsewhere"),
        pytest.raises(EngineError, match="the Ray cluster failed"),
    ):
        list(OnRay(address=cluster.address)(Squares(), [7]))


def test_who_waits_for_room_is_told_and_leaves_nobody_behind(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes after an engine that was left early has all of the cluster."""
    engine = OnRay(address=cluster.address)
    made = engine(Squares(), [1, 2])
    assert next(made) == (1, 1)  # its actor holds the only core
    monkeypatch.setattr(on_ray, "_PATIENCE_SECONDS", 0)
    made.close()
    with pytest.warns(VideotcavWarning, match="no actor has come up .*; waiting") as told:
        found = list(engine(Squares(), [5]))
    assert found == [(5, 25), (5, -25)]
    assert len(told) == 1


@dataclass(frozen=True)
class Who:
    """The process that does it, and what it was told to add."""

    told: str

    def __call__(self, items: Iterable[int]) -> Iterator[tuple[int, str]]:
        for item in items:
            yield os.getpid(), f"{self.told}{item}"


def test_actors_live_as_long_as_their_engine_and_load_each_worker_anew(cluster: Any) -> None:
    first = OnRay(address=cluster.address)
    ((process, _),) = first(Who("a"), [1])
    assert list(first(Who("b"), [1, 2])) == [(process, "b1"), (process, "b2")]
    made = first(Who("c"), [1])
    next(made)
    assert first._kept.where
    list(made)
    with OnRay(address=cluster.address) as second:
        first.close()
        ((other, _),) = second(Who("d"), [1])
        assert other != process
        del first
    ((again, _),) = second(Who("e"), [1])  # a closed engine begins again
    assert again not in {process, other}
    second.close()


def test_an_actor_that_was_lost_in_between_is_replaced(cluster: Any) -> None:
    with OnRay(address=cluster.address) as engine:
        ((process, _),) = engine(Who("a"), [1])
        os.kill(process, signal.SIGKILL)
        with pytest.warns(VideotcavWarning, match="lost an actor"):
            ((other, told),) = engine(Who("b"), [1])
    assert (other != process, told) == (True, "b1")


def test_a_cluster_of_ones_own_asks_for_a_token_though_ray_was_imported_first_and_another_runs(cluster: Any) -> None:
    code = (
        "import ray, os; from videotcav.engine.on_ray import OnRay\n"
        "print(list(OnRay()(iter, ['worked'])), os.environ['RAY_AUTH_MODE'], ray.get_runtime_context().gcs_address)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.stdout.startswith("['worked'] token "), said.stderr
    assert cluster.address not in said.stdout


def test_an_actor_that_finds_no_room_is_one_sentence(cluster: Any) -> None:
    with pytest.raises(EngineError, match=r"needs 1 CPUs and 0\.5 GPUs, and the whole cluster has 1 CPUs"):
        list(OnRay(address=cluster.address, gpus=0.5)(Squares(), [1]))


def test_with_a_node_killed_at_work_the_bits_are_those_of_this_process(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but what was in flight on that node is begun twice, and what happened is said."""
    monkeypatch.setattr(shards, "CLIPS_A_SHARD", 4)
    torch.manual_seed(0)
    stem = import_torchvision("torchvision.models.video.resnet").BasicStem()  # torchvision's, as most models are
    net = nn.Sequential(stem, nn.Tanh(), nn.Flatten(), nn.Linear(64 * 2 * 2 * 2, 2))
    spec = ClipSpec(frames=2, seconds_between_frames=0.1, height=4, width=4, resize=4)
    model = load_model(net, card=ModelCard(name="net", clip_spec=spec, classes=("a", "b")))
    ask = partial(measure, model, classes=("a",), layers=("0", "1"), pooling="none")
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    expected = ask(Source(Loader(tmp_path / "here")), store=Store(tmp_path / "rows here"))

    doomed = cluster.add_node(num_cpus=1)
    notes = tmp_path / "there"

    def kill_it_at_work() -> None:
        while not list(notes.glob(f"*@{doomed.node_id}")):
            threading.Event().wait(0.05)
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill_it_at_work, daemon=True)
    killer.start()
    with pytest.warns(VideotcavWarning, match=f"node {doomed.node_id[:8]} .* lost an actor"):
        found = ask(
            Source(Loader(notes, doomed.node_id)),
            store=Store(tmp_path / "rows there"),
            engine=OnRay(address=cluster.address),
        )
    killer.join()
    for layer, gram in expected.grams.items():
        for name in ("kernel", "cross", "gradients"):
            np.testing.assert_array_equal(getattr(found.grams[layer], name), getattr(gram, name))
    np.testing.assert_array_equal(found.logits["a"], expected.logits["a"])
    assert found.clips_passed == expected.clips_passed == 26
    begun = [note.name.partition("@")[0] for note in notes.iterdir()]
    lost = list(notes.glob(f"*@{doomed.node_id}"))
    assert len(lost) <= 4
    assert len(begun) == 26 + len(lost)


def test_edits_are_those_of_this_process(cluster: Any, tmp_path: Path) -> None:
    """Objects are found, clips edited and passed there; every number has the same bits."""
    from support.noise import write_noise  # noqa: PLC0415 - actors import this file, and know no other of the tests

    write_noise(tmp_path)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 2))
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
    model = load_model(net, card=ModelCard(name="net", clip_spec=spec, classes=("a", "b")))
    ask = partial(probe, model, tmp_path / "videos", objects=tmp_path / "regions.json")
    expected, found = ask(), ask(engine=OnRay(address=cluster.address), store=tmp_path / "store")
    assert any(row.target == "object" and row.with_sham for row in expected)
    assert found.clips == expected.clips
    assert found.effects == expected.effects
    assert ask(store=tmp_path / "store").clips == expected.clips


def test_proposals_are_those_of_this_process(cluster: Any, tmp_path: Path) -> None:
    """Videos are watched and cut there; the folder has the same bytes."""
    (tmp_path / "videos").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (1, 48, 64, 3), dtype=np.uint8).repeat(8, axis=0)
        write_video(tmp_path / "videos" / f"v{number}.mp4", pixels, frames_per_second=10)
    (tmp_path / "regions.json").write_text('{"regions": {"corner": [4, 4, 36, 36]}}')
    ask = partial(
        propose,
        tmp_path / "videos",
        load_detector(tmp_path / "regions.json"),
        labels=["corner"],
        recipe=Recipe(frames_per_clip=8),
    )
    assert ask(tmp_path / "here").added == 2
    ask(tmp_path / "there", engine=OnRay(address=cluster.address))
    here_files, there_files = (
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in (tmp_path / "here", tmp_path / "there")
    )
    assert there_files == here_files


def test_an_address_at_which_nobody_listens_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray  # noqa: PLC0415 - slow to import

    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        with pytest.raises(EngineError, match=f"no Ray cluster at {address}: Connection refused"):
            list(OnRay(address=address)(Squares(), [1]))
