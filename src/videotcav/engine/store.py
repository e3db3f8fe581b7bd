"""What passes produced, one row a clip, kept by what it was made of: in a local folder or an object store.

    STORE/<recipe>/recipe.json               in words: weights, layer, pooling, precision, class …
    STORE/<recipe>/<shard>.safetensors       the rows of some clips, in blocks of columns

A cache key is everything that a row depends on besides its clip; its folder is named by the hash of it, a shard by the
hash of its header. So nothing is ever renamed, replaced or out of date, several runs may write at once, and what a
shard holds can be checked block by block. A shard appears whole or not at all; one that is damaged all the same is
told, removed and never used.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
import xxhash
from fsspec.implementations.local import LocalFileSystem

from videotcav.errors import MissingExtra, StoreError, VideotcavWarning

Float32Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
CacheKey = Mapping[str, object]

BLOCK_COLUMNS = 8192
_HEADER_GUESS = 2**14
_READ_AT_ONCE = 16
_DAY_SECONDS = 86_400


class RowsLost(Exception):
    """Rows that the index promised are damaged or gone; they are now missing from their shelf."""


@dataclass(frozen=True)
class _Shard:
    """What the header of a shard says; block i of the columns lies at bytes `edges[i]` to `edges[i + 1]`."""

    path: str
    clips: tuple[str, ...]
    columns: int
    sums: tuple[str, ...]
    edges: tuple[int, ...]


_Place = tuple[_Shard, list[int], list[int]]
"""A shard, which of the wanted rows it holds, and which of its own rows they are."""


class Store:
    """Shelves of rows below a local path or a URL that fsspec knows, as `s3://bucket/study`."""

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self.bytes_written = 0
        self.bytes_in_memory = 0
        self._described: set[str] = set()
        try:
            self.files, self.root = fsspec.core.url_to_fs(self.place)
        except ImportError as error:
            extra = "s3" if self.place.startswith("s3:") else "store"
            raise MissingExtra(error.name or "a package", extra=extra, purpose=f"the store {self.place}") from None
        except ValueError as error:
            raise StoreError(
                f"the store {self.place} cannot be used: {error}; give a folder or a URL as s3://bucket/folder"
            ) from None
        except Exception as error:  # some backends connect at once
            raise self._unusable(error) from error
        if self.is_local:
            _sweep(Path(self.root))

    @property
    def is_local(self) -> bool:
        """Whether the rows lie in a folder of this machine's file system."""
        return isinstance(self.files, LocalFileSystem)

    def shelf(self, cache_key: CacheKey) -> Shelf:
        """The rows of a cache key, as they are now."""
        return Shelf(self, cache_key)

    def put(self, cache_key: CacheKey, clips: Sequence[str], rows: Sequence[Float32Array]) -> None:
        """Adds rows of a cache key, one for each of the clips' keys, as one shard. Raises StoreError."""
        folder = folder_name(cache_key)
        if folder not in self._described:
            text = json.dumps(cache_key, indent=1, sort_keys=True, ensure_ascii=False)
            self.write(f"{self.root}/{folder}/recipe.json", [text.encode()])
            self._described.add(folder)
        columns = len(rows[0])
        # Stacked block by block, for the header and again for a file: all at once would take the rows' memory twice.
        sums = [_checksum(block) for block in _blocks(rows)]
        header = _header({"clips": list(clips), "columns": columns, "sums": sums}, len(rows), columns)
        self.write(f"{self.root}/{folder}/{_name(header)}.safetensors", chain([header], _blocks(rows)))

    def write(self, path: str, parts: Iterable[bytes | memoryview]) -> None:
        """Makes a file of these parts appear whole or not at all. Object stores do so by themselves.

        Raises StoreError.
        """
        with self.speaking():
            if not self.is_local:
                content = b"".join(parts)
                self.files.pipe_file(path, content)
                self.bytes_written += len(content)
            else:
                target = Path(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                unfinished = target.with_name(f".{uuid.uuid4().hex}.tmp")
                try:
                    with unfinished.open("wb") as file:
                        written = sum(map(file.write, parts))
                    unfinished.replace(target)
                except BaseException:
                    unfinished.unlink(missing_ok=True)
                    raise
                self.bytes_written += written

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turns what the file system says in the body into one sentence."""
        try:
            yield
        except (FileNotFoundError, MemoryError):
            raise
        except Exception as error:  # every backend has exceptions of its own
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        if isinstance(error, OSError) and error.filename:
            reason += f": {error.filename2 or error.filename}"
        return StoreError(f"the store {self.place} cannot be used: {reason}")


class Shelf:
    """The rows of one cache key that were in a store when it was asked, found by the key of their clip."""

    def __init__(self, store: Store, cache_key: CacheKey) -> None:
        self._store = store
        self._where: dict[str, tuple[_Shard, int]] = {}
        folder = f"{store.root}/{folder_name(cache_key)}"
        with store.speaking():
            store.files.invalidate_cache(folder)
            try:
                listed = store.files.ls(folder, detail=True)
            except FileNotFoundError:
                listed = []
        sizes = {
            entry["name"]: entry["size"]
            for entry in listed
            if entry["type"] == "file" and entry["name"].endswith(".safetensors")
        }
        paths = sorted(sizes)
        for path, header in zip(paths, self._headers(paths, sizes), strict=True):
            try:
                shard = _parsed(path, header, sizes[path])
            except (ValueError, KeyError, TypeError) as error:
                self._discard(path, f"its header is damaged ({error})")
                continue
            for row, clip in enumerate(shard.clips):
                self._where.setdefault(clip, (shard, row))

    def __contains__(self, clip: str) -> bool:
        return clip in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def rows(self, clips: Sequence[str]) -> StoredRows:
        """The rows of these clips, in this order. Raises RowsLost where one is not on the shelf."""
        places: dict[str, _Place] = {}
        for position, clip in enumerate(clips):
            if clip not in self._where:
                raise RowsLost(clip)
            shard, row = self._where[clip]
            _, positions, rows = places.setdefault(shard.path, (shard, [], []))
            positions.append(position)
            rows.append(row)
        columns = next((shard.columns for shard, _, _ in places.values()), 0)
        return StoredRows(len(clips), columns, partial(self._block, list(places.values()), len(clips)))

    def _block(self, places: Sequence[_Place], count: int, columns: slice) -> Float32Array:
        found = np.empty((count, columns.stop - columns.start), np.float32)
        parts = self.read([shard for shard, _, _ in places], columns.start // BLOCK_COLUMNS)
        for (_, positions, rows), part in zip(places, parts, strict=True):
            found[positions] = part[rows]
        return found

    def read(self, shards: Sequence[_Shard], block: int) -> Iterator[Float32Array]:
        """A block of columns of each shard, checked. Raises RowsLost."""
        at_once = 1 if self._store.is_local else _READ_AT_ONCE  # a disk answers each at once
        for first in range(0, len(shards), at_once):
            some = shards[first : first + at_once]
            starts = [shard.edges[block] for shard in some]
            ends = [shard.edges[block + 1] for shard in some]
            with self._store.speaking():
                found = self._store.files.cat_ranges([shard.path for shard in some], starts, ends, on_error="return")
                for content in found:
                    if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                        raise content
            for shard, content in zip(some, found, strict=True):
                if isinstance(content, FileNotFoundError):
                    self._lose(shard, "it is gone")
                if _checksum(content) != shard.sums[block]:
                    self._lose(shard, "its content does not match its checksum")
                yield np.frombuffer(content, np.float32).reshape(len(shard.clips), -1)

    def _headers(self, paths: Sequence[str], sizes: Mapping[str, int]) -> list[bytes]:
        if not paths:
            return []
        files, headers = self._store.files, []
        with self._store.speaking():
            begun = files.cat_ranges(list(paths), 0, [min(_HEADER_GUESS, sizes[path]) for path in paths])
            for path, start in zip(paths, begun, strict=True):
                end = 8 + int.from_bytes(start[:8], "little")
                whole = files.cat_file(path, 0, end) if len(start) < end <= sizes[path] else start
                headers.append(bytes(whole[:end]))
        return headers

    def _lose(self, shard: _Shard, why: str) -> None:
        self._where = {clip: place for clip, place in self._where.items() if place[0] is not shard}
        self._discard(shard.path, why)
        raise RowsLost(shard.path)

    def _discard(self, path: str, why: str) -> None:
        warnings.warn(f"{path} is left out of the store, as {why}; its clips are passed again", VideotcavWarning, 2)
        with suppress(OSError):  # another run may have removed it
            self._store.files.rm_file(path)


class StoredRows:
    """`rows × columns` that lie on a shelf; `read` gives a block of columns of all of them."""

    def __init__(self, count: int, columns: int, read: Callable[[slice], Float32Array]) -> None:
        self._count, self.columns, self._read = count, columns, read

    def __len__(self) -> int:
        return self._count

    def column_blocks(self) -> Iterator[Float32Array]:
        """Blocks of `BLOCK_COLUMNS` columns of all rows, the last one narrower, left to right. Raises RowsLost."""
        for start in range(0, self.columns, BLOCK_COLUMNS):
            yield self._read(slice(start, min(start + BLOCK_COLUMNS, self.columns)))

    def whole(self) -> Float32Array:
        """All rows at once: for narrow ones, as logits."""
        return np.concatenate(list(self.column_blocks()), axis=1)


def folder_name(cache_key: CacheKey) -> str:
    """The folder of a cache key's rows."""
    text = json.dumps(cache_key, sort_keys=True, ensure_ascii=False)  # with indentation it would take ten times as long
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _blocks(rows: Sequence[Float32Array]) -> Iterator[memoryview]:
    """Blocks of columns of the rows, one after the other."""
    for start in range(0, len(rows[0]), BLOCK_COLUMNS):
        yield np.stack([row[start : start + BLOCK_COLUMNS] for row in rows], dtype=np.float32).data.cast("B")


def _header(facts: Mapping[str, object], rows: int, columns: int) -> bytes:
    """The header of a safetensors file of their blocks. The library itself would copy them thrice."""
    content: dict[str, object] = {"__metadata__": {"videotcav": json.dumps(facts)}}
    for number, start in enumerate(range(0, columns, BLOCK_COLUMNS)):
        end = min(start + BLOCK_COLUMNS, columns)
        offsets = tuple(4 * rows * column for column in (start, end))
        content[f"{number:06}"] = {"dtype": "F32", "shape": (rows, end - start), "data_offsets": offsets}
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _parsed(path: str, header: bytes, size: int) -> _Shard:
    """The shard that a header describes. Raises ValueError where name, header and size contradict each other."""
    if Path(path).stem != _name(header):
        raise ValueError("it does not bear out its name")
    content: dict[str, Any] = json.loads(header[8:])
    facts = json.loads(content.pop("__metadata__")["videotcav"])
    edges = [len(header), *(len(header) + content[name]["data_offsets"][1] for name in sorted(content))]
    if edges[-1] != size:
        raise ValueError(f"{size} bytes instead of {edges[-1]}")
    return _Shard(path, tuple(facts["clips"]), facts["columns"], tuple(facts["sums"]), tuple(edges))


def _name(header: bytes) -> str:
    return hashlib.sha256(header).hexdigest()[:32]


def _checksum(content: bytes | memoryview) -> str:
    return xxhash.xxh3_64_hexdigest(content)  # against damage, not against malice


def _sweep(root: Path) -> None:
    """Removes what killed runs left half-written; a day is longer than any run needs for one file."""
    for path in root.glob("*/.*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _DAY_SECONDS:
                path.unlink()
