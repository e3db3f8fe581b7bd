from __future__ import annotations

import json
import pickle
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from videotcav.engine.run_store import scratch, scratch_store
from videotcav.engine.store import BLOCK_COLUMNS, RowsLost, Shelf, Store, StoredRows
from videotcav.errors import MissingExtra, StoreError, VideotcavWarning

CACHE_KEY = {"model": "a", "layer": "features.2"}
WIDE = BLOCK_COLUMNS + 7


def matrix(rows: int, columns: int = WIDE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def names(first: int, last: int) -> list[str]:
    return [f"clip {number}" for number in range(first, last)]


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    pytest.importorskip("s3fs", reason="s3fs (the extra s3) is not installed")
    moto = pytest.importorskip("moto.server", reason="moto, which stands in for an object store, is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3_server"))
    bucket = tmp_path.name.replace("_", "-").lower()
    Store(f"s3://{bucket}").files.mkdir(bucket)
    return f"s3://{bucket}/study"


def test_rows_come_back_in_the_order_asked_for_whoever_put_them(place: str) -> None:
    rows = matrix(10)
    Store(place).put(CACHE_KEY, names(0, 4), rows[:4])
    Store(place).put(CACHE_KEY, names(4, 10), rows[4:])
    shelf = Store(place).shelf(CACHE_KEY)
    order = [7, 0, 3, 9, 3]
    stored = shelf.rows([f"clip {row}" for row in order])
    assert (len(stored), stored.columns) == (5, WIDE)
    blocks = list(stored.column_blocks())
    assert [block.shape[1] for block in blocks] == [BLOCK_COLUMNS, 7]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), rows[order])


def test_rows_of_another_cache_key_are_not_found(place: str) -> None:
    store = Store(place)
    store.put(CACHE_KEY, ["clip 0"], matrix(1))
    other = store.shelf({**CACHE_KEY, "layer": "features.4"})
    assert "clip 0" not in other
    with pytest.raises(RowsLost):
        other.rows(["clip 0"])


def test_a_new_shelf_sees_what_another_run_added(place: str) -> None:
    store = Store(place)
    assert "clip 0" not in store.shelf(CACHE_KEY)
    Store(place).put(CACHE_KEY, ["clip 0"], matrix(1))
    mine = store.shelf(CACHE_KEY)
    np.testing.assert_array_equal(mine.rows(["clip 0"]).whole(), matrix(1))


def test_a_shard_that_vanishes_is_told_and_its_rows_are_missing(place: str) -> None:
    store = Store(place)
    store.put(CACHE_KEY, ["clip 0"], matrix(1))
    shelf = store.shelf(CACHE_KEY)
    for path in store.files.find(store.root):
        store.files.rm_file(path)
    with pytest.warns(VideotcavWarning, match="it is gone"), pytest.raises(RowsLost):
        shelf.rows(["clip 0"]).whole()
    assert "clip 0" not in shelf


def test_the_same_rows_put_twice_are_one_shard(tmp_path: Path) -> None:
    for _ in range(2):
        Store(tmp_path).put(CACHE_KEY, names(0, 3), matrix(3))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    assert not list(tmp_path.rglob("*.tmp"))


def files_below(store: Store) -> int:
    return sum(path.is_file() for path in Path(store.root).rglob("*"))


def test_held_rows_touch_no_disk_until_they_are_too_many_and_read_alike_before_and_after() -> None:
    rows = matrix(6)
    with scratch_store(at_most=4 * rows.nbytes // 6) as store:
        store.put(CACHE_KEY, names(0, 3), rows[:3])
        early = store.shelf(CACHE_KEY)
        before = early.rows(names(0, 3))
        np.testing.assert_array_equal(np.concatenate(list(before.column_blocks()), axis=1), rows[:3])
        assert files_below(store) == 0 < store.bytes_in_memory
        store.put(CACHE_KEY, names(3, 6), rows[3:])
        assert store.bytes_in_memory == 0
        assert files_below(store) == 3  # two shards and their cache key
        np.testing.assert_array_equal(np.concatenate(list(before.column_blocks()), axis=1), rows[:3])
        later = store.shelf(CACHE_KEY).rows(names(0, 6))
        np.testing.assert_array_equal(np.concatenate(list(later.column_blocks()), axis=1), rows)


def test_held_rows_of_no_size_are_files_for_every_process() -> None:
    with scratch_store(at_most=0) as store:
        pickle.loads(pickle.dumps(store)).put(CACHE_KEY, ["clip 0"], matrix(1))  # noqa: S301 - our own bytes
        np.testing.assert_array_equal(store.shelf(CACHE_KEY).rows(["clip 0"]).whole(), matrix(1))


@pytest.mark.parametrize("at_most", [0, 2**30])
def test_held_rows_are_gone_after_the_body_also_when_it_fails(at_most: int) -> None:
    def interrupted(store: Store) -> None:
        store.put(CACHE_KEY, ["clip 0"], matrix(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), scratch_store(at_most) as store:
        interrupted(store)
    assert not Path(store.root).exists()
    assert store.bytes_in_memory == 0
    assert "clip 0" not in store.shelf(CACHE_KEY)


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    Store(tmp_path).put(CACHE_KEY, ["clip 0"], matrix(1))
    (described,) = tmp_path.rglob("recipe.json")
    assert json.loads(described.read_text()) == CACHE_KEY


def test_a_shard_is_what_safetensors_calls_one(tmp_path: Path) -> None:
    rows = matrix(3)
    Store(tmp_path).put(CACHE_KEY, ["clip 0", "«2»", "clip 3"], rows)
    (shard,) = tmp_path.rglob("*.safetensors")
    blocks = load_file(shard)
    np.testing.assert_array_equal(np.concatenate([blocks[name] for name in sorted(blocks)], axis=1), rows)


def test_a_shard_has_little_more_bytes_than_its_rows(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(CACHE_KEY, names(0, 8), matrix(8))
    assert store.bytes_written == sum(path.stat().st_size for path in tmp_path.rglob("*.*"))
    assert 8 * WIDE * 4 < store.bytes_written < 8 * WIDE * 4 + 2000


def damaged_shelf(tmp_path: Path, change: object) -> StoredRows:
    """Rows from a store whose one shard was changed behind its back, found by a later run."""
    assert callable(change)
    Store(tmp_path).put(CACHE_KEY, names(0, 3), matrix(3, 50))
    (shard,) = tmp_path.rglob("*.safetensors")
    shard.write_bytes(change(shard.read_bytes()))
    return Shelf(Store(tmp_path), CACHE_KEY).rows(names(0, 3))


@pytest.mark.parametrize("seed", range(40))
def test_no_flipped_bit_is_ever_used(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def flip(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
        return bytes(changed)

    with pytest.warns(VideotcavWarning, match="its clips are passed again"), pytest.raises(RowsLost):
        damaged_shelf(tmp_path, flip).whole()
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999])
def test_no_truncated_shard_is_ever_used(tmp_path: Path, share: float) -> None:
    with pytest.warns(VideotcavWarning, match="its clips are passed again"), pytest.raises(RowsLost):
        damaged_shelf(tmp_path, lambda content: content[: int(share * len(content))]).whole()


def test_scratch_is_gone_when_its_work_is_done_and_stays_when_it_is_not(tmp_path: Path) -> None:
    folder = tmp_path / ".study-rows"

    def interrupted() -> None:
        with scratch(folder) as store:
            store.put(CACHE_KEY, ["clip 0"], matrix(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with scratch(folder) as store:
        assert "clip 0" in store.shelf(CACHE_KEY)
    assert not folder.exists()


def test_scratch_whose_result_is_there_is_gone_although_its_run_was_killed(tmp_path: Path) -> None:
    folder, result = tmp_path / "rows", tmp_path / "run"

    def refused() -> None:
        with scratch(folder, result=result) as store:
            store.put(CACHE_KEY, ["clip 0"], matrix(1))
            raise ValueError("killed")

    with pytest.raises(ValueError, match="killed"):
        refused()
    assert folder.exists()
    result.mkdir()
    with pytest.raises(ValueError, match="killed"):
        refused()
    assert not folder.exists()


def test_scratch_in_use_by_another_run_is_left_to_it(tmp_path: Path) -> None:
    folder = tmp_path / ".study-rows"
    with scratch(folder) as mine:
        mine.put(CACHE_KEY, ["clip 0"], matrix(1))
        with scratch(folder) as theirs:
            assert "clip 0" in theirs.shelf(CACHE_KEY)
        assert folder.exists()
    assert not folder.exists()


def test_folders_and_loops_among_shards_are_not_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(CACHE_KEY, ["clip 0"], matrix(1))
    shelf = next(path for path in tmp_path.iterdir() if path.is_dir())
    (shelf / "folder.safetensors").mkdir()
    (shelf / "loop.safetensors").symlink_to(shelf / "loop.safetensors")
    assert "clip 0" in Store(tmp_path).shelf(CACHE_KEY)


def test_a_server_that_is_not_there_is_told_in_a_sentence() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        place = f"ftp://127.0.0.1:{unheard.getsockname()[1]}/rows"
        with pytest.raises(StoreError, match=f"the store {place} cannot be used: Connection refused"):
            Store(place)


def test_a_place_that_cannot_be_used_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"the store .*file cannot be used"):
        Store(tmp_path / "file").put(CACHE_KEY, ["clip 0"], matrix(1))
    with pytest.raises((StoreError, MissingExtra), match="the store nowhere://bucket"):
        Store("nowhere://bucket")


def test_rows_are_written_without_a_copy_of_all_of_them(tmp_path: Path) -> None:
    store, rows = Store(tmp_path), list(matrix(8, 40 * BLOCK_COLUMNS))
    size = sum(row.nbytes for row in rows)
    tracemalloc.start()
    store.put(CACHE_KEY, names(0, 8), rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 4
    assert store.bytes_written > size
