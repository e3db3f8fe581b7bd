"""Work on many machines: actors of Ray take it item by item, each with a copy of the worker and so of the model.

Actors live as long as their engine: what a process takes to begin is paid once, and a copy of the next worker is loaded
where the last one was. What a worker makes of its items should be small, as everything that is wide goes through the
store; then no machine, and least of all this one, holds more than the items in flight.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import sys
import time
import traceback
import uuid
import warnings
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import EngineError, MissingExtra, VideotcavWarning

if TYPE_CHECKING:
    from types import ModuleType

_CONNECT_SECONDS = 10
_SECONDS_BETWEEN_LOOKS = 1
_PATIENCE_SECONDS = 60  # before it is said that no actor has come up
_MOST_LOSSES = 3  # of actors on the same item, or of actors in a row that never came up
_CALLS_AN_ACTOR = 2  # one at work, and one that waits for it beside the actor

Item = TypeVar("Item")
Done = TypeVar("Done")


class _Kept:
    """The actors of an engine, each with its machine, or nothing while it comes up; `is_free` while nothing is done."""

    def __init__(self) -> None:
        self.is_free = True
        self.where: dict[Any, str] = {}
        self._ray: ModuleType | None = None
        self._job: object = None

    def of(self, ray: ModuleType) -> None:
        """Takes them into use; those of a cluster that this process has left are forgotten."""
        self.is_free = False
        job = ray.get_runtime_context().get_job_id()
        if (self._ray, self._job) != (ray, job):
            self.where.clear()
        self._ray, self._job = ray, job

    def end(self) -> None:
        """Ends them, whatever they are at."""
        if self._ray is not None and self._ray.is_initialized():
            for actor in self.where:
                self._ray.kill(actor)
        self.where.clear()


@dataclass(frozen=True)
class OnRay:
    """An engine that does its work on a Ray cluster; see `videotcav.engine.local.Engine`.

    An item that was in flight on a machine that is lost is done again elsewhere, and a warning says so. Its actors keep
    their cores between one piece of work and the next, until the engine is closed (`with OnRay() as engine:` does it)
    or nobody has it any more.

    Attributes:
        address: of a running cluster (`auto` finds the one of this machine); without one, a cluster of this
            machine's cores and GPUs that ends with the process.
        workers: the most actors; as many as the cluster has room for by default.
        cpus: cores an actor computes with.
        gpus: GPUs an actor needs; a fraction lets several share one.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    _kept: _Kept = field(default_factory=_Kept, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, self._kept.end).atexit = False  # Ray ends them with the process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the actors, so that others have their cores; the next piece of work begins new ones."""
        self._kept.end()

    def __call__(self, worker: Callable[[Iterable[Item]], Iterator[Done]], items: Sequence[Item]) -> Iterator[Done]:
        """What the worker makes of the items, in the order in which they are finished.

        Raises what the worker raises; EngineError where the cluster cannot be reached, lacks room or is lost.
        """
        if not items:
            return
        ray = self._connected()
        actors = self._actors(ray, len(items))
        new_actor = ray.remote(_Actor).options(num_cpus=self.cpus, num_gpus=self.gpus)
        kept = self._kept if self._kept.is_free else _Kept()  # two pieces of work at once share no actors
        kept.of(ray)
        pool = _Pool(ray, new_actor, (uuid.uuid4().hex, [ray.put(worker)]), items, kept)
        try:
            for done, raised, warned in pool.made(actors):
                for each in warned:
                    warnings.warn(each, VideotcavWarning, stacklevel=2)
                if raised is not None:
                    raise raised
                yield done
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"the Ray cluster failed ({_first_line(error)}); run the same command again: what is in the store "
                "is not computed twice"
            ) from error
        finally:
            if kept is not self._kept or not pool.is_done:
                kept.end()
            kept.is_free = True

    def _connected(self) -> ModuleType:
        """Ray, connected to the cluster. Raises MissingExtra, EngineError."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
        if self.address is None and "RAY_AUTH_MODE" not in os.environ:
            # Ray listens on the network also where it is alone, and asks for a token there; this one no file has.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        try:
            import ray  # noqa: PLC0415 - an optional extra, and slow to import
        except ImportError as error:
            raise MissingExtra(error.name or "ray", extra="ray", purpose="work on a Ray cluster") from None
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        if not ray.is_initialized():
            alone = self.address is None
            if self.address:
                _require_listener(self.address)
            imports = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}}  # a user's own modules too
            try:
                with _no_chatter():
                    ray.init(
                        address=self.address or "local",  # without it Ray takes whatever cluster runs here
                        include_dashboard=False if alone else None,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        runtime_env=imports if alone else None,
                    )
            except (ConnectionError, ValueError, RuntimeError) as error:
                where = "on this machine" if self.address in {None, "auto"} else f"at {self.address}"
                token = "" if alone else "; where it asks for a token, RAY_AUTH_MODE and RAY_AUTH_TOKEN must be its own"
                raise EngineError(f"no Ray cluster {where}: {_first_line(error)}{token}") from error
        return ray

    def _actors(self, ray: ModuleType, items: int) -> int:
        """How many actors the cluster has room for, at most one an item. Raises EngineError where it has for none."""
        has = ray.cluster_resources()
        room = has.get("CPU", 0.0) / self.cpus if self.cpus else float(items)
        if self.gpus:
            room = min(room, has.get("GPU", 0.0) / self.gpus)
        if room < 1:
            needs = f"{self.cpus:g} CPUs" + (f" and {self.gpus:g} GPUs" if self.gpus else "")
            raise EngineError(
                f"an actor needs {needs}, and the whole cluster has {has.get('CPU', 0):g} CPUs and "
                f"{has.get('GPU', 0):g} GPUs: ask for less, or add machines"
            )
        return max(1, min(int(room), items, self.workers or items))


# What the worker made, what it raised and what it warned of in between: one of the first two is None.
_Made = tuple[Any, Exception | None, list[str]]

# A worker's name, and where a copy of it is had: in a list, as Ray would send it along with each call.
_Named = tuple[str, list[Any]]


class _Actor:
    """A process on one of the cluster's machines with a copy of the worker; it takes one item at a time."""

    def __init__(self) -> None:
        import_torchvision()  # a model that is unpickled imports it by itself, which fails beside a CPU-only torch
        self._name = ""
        self._worker: Callable[[Iterable[Any]], Iterator[Any]] = iter

    def where(self) -> str:
        """The machine, for people."""
        import ray  # noqa: PLC0415 - as above

        return f"node {ray.get_runtime_context().get_node_id()[:8]} ({socket.gethostname()})"

    def make(self, worker: _Named, item: Any) -> list[_Made]:
        """All that the worker makes of the item, and what it raises.

        An error travels as a value: raised here, Ray would take it for its own and wrap it.
        """
        name, copies = worker
        if name != self._name:
            import ray  # noqa: PLC0415 - as above

            self._worker = iter  # two models may be more than the machine holds
            (self._worker,) = ray.get(copies)
            self._name = name
        made: list[_Made] = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VideotcavWarning)

            def keep(done: Any = None, raised: Exception | None = None) -> None:
                warned = [str(each.message) for each in caught if issubclass(each.category, VideotcavWarning)]
                caught.clear()
                made.append((done, raised, warned))

            try:
                for done in self._worker([item]):
                    keep(done)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised at home
                error.add_note(traceback.format_exc())
                keep(raised=error)
        return made


class _Pool:
    """Actors and what they are at. One that is lost gives its items back, and another takes its place.

    Ray would begin a lost actor and its calls again by itself, but on the machines that the others keep until all is
    done, and where it found none it would wait for ever.
    """

    def __init__(self, ray: ModuleType, new_actor: Any, worker: _Named, items: Sequence[Any], kept: _Kept) -> None:
        self._ray = ray
        self._new_actor, self._worker = new_actor, worker
        self._items = items
        self._waiting = deque(range(len(items)))
        self._where = kept.where
        self._calls: dict[Any, tuple[Any, int | None]] = {}  # a call: its actor, and the item's number or none
        self._losses = Counter[int | None]()  # by item, and of those that never came up

    def made(self, actors: int) -> Iterator[_Made]:
        """What becomes of the items, one after the other as they are finished. Raises RayError."""
        for actor in [each for each, where in self._where.items() if not where]:
            self._calls[actor.where.remote()] = actor, None  # it was coming up when the last piece of work was done
        for _ in range(actors - len(self._where)):
            self._begin_actor()
        patient_until = time.monotonic() + _PATIENCE_SECONDS
        while not self.is_done:
            ended, _ = self._ray.wait(list(self._calls), timeout=_SECONDS_BETWEEN_LOOKS)
            if not any(self._where.values()) and time.monotonic() > patient_until:
                patient_until = math.inf  # it is said once
                warnings.warn(
                    f"no actor has come up on the cluster in {_PATIENCE_SECONDS} s, as where other work holds its "
                    "machines; waiting",
                    VideotcavWarning,
                    stacklevel=3,
                )
            for call in ended:
                yield from self._ended(call)
            # Not only who is just done: an actor that was idle takes what another has lost.
            for actor in [each for each, where in self._where.items() if where]:
                while self._waiting and sum(each == actor for each, _ in self._calls.values()) < _CALLS_AN_ACTOR:
                    number = self._waiting.popleft()
                    self._calls[actor.make.remote(self._worker, self._items[number])] = actor, number

    def _ended(self, call: Any) -> list[_Made]:
        """What a call has made: nothing where its actor has just come up, or is lost. Raises RayError."""
        actor, number = self._calls.pop(call)
        lost = self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError
        try:
            answer = self._ray.get(call)
        except lost as error:
            self._losses[number] += 1
            if self._losses[number] > _MOST_LOSSES:
                raise
            if number is not None:
                self._waiting.appendleft(number)
            self._replace(actor, error)
            return []
        if number is None:
            self._losses[None], self._where[actor] = 0, answer
            return []
        return cast("list[_Made]", answer)

    @property
    def is_done(self) -> bool:
        """Whether nothing waits and nobody is at work."""
        return not self._waiting and all(number is None for _, number in self._calls.values())

    def _begin_actor(self) -> None:
        actor = self._new_actor.remote()
        self._where[actor] = ""
        self._calls[actor.where.remote()] = actor, None

    def _replace(self, actor: Any, error: Exception) -> None:
        """A new actor for one that is lost, however many of its calls say so."""
        if actor not in self._where:
            return
        if where := self._where.pop(actor):  # one that never came up had nothing in flight
            warnings.warn(
                f"{where} lost an actor ({_first_line(error)}); what was in flight there is done again elsewhere",
                VideotcavWarning,
                stacklevel=3,
            )
        self._ray.kill(actor)
        self._begin_actor()


@contextmanager
def _no_chatter() -> Iterator[None]:
    """Nothing is shown of what native code says on standard error in the body, as Ray's about its own log level."""
    shown = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(shown, 2)
        os.close(nowhere)
        os.close(shown)


def _require_listener(address: str) -> None:
    """Raises EngineError where nobody listens at `host:port`; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise EngineError(f"no Ray cluster at {address}: {error.strerror or error}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
