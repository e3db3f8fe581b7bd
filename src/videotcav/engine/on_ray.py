"""Work on many machines: Ray Data feeds it to actors, each of which holds the worker and so the model.

What a worker makes of its items should be small, as everything that is wide goes through the store; then no machine,
and least of all this one, holds more than the items in flight.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import EngineError, MissingExtra, VideotcavWarning

if TYPE_CHECKING:
    from types import ModuleType

_CONNECT_SECONDS = 10
_SECONDS_BETWEEN_LOOKS = 1

Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(frozen=True)
class OnRay:
    """An engine that does its work on a Ray cluster; see `videotcav.engine.local.Engine`.

    An item that was in flight on a machine that is lost is done again elsewhere, and a warning says so.

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

    def __call__(self, worker: Callable[[Iterable[Item]], Iterator[Done]], items: Sequence[Item]) -> Iterator[Done]:
        """What the worker makes of the items, in the order in which they are finished.

        Raises what the worker raises; EngineError where the cluster cannot be reached, lacks room or is lost.
        """
        if not items:
            return
        ray = self._connected()
        losses = _Losses(ray)
        actors = self._actors(ray, len(items))
        feed = ray.data.from_items([{"item": _Parcel(item)} for item in items], override_num_blocks=len(items))
        work = feed.flat_map(
            _Actor,
            fn_constructor_args=(ray.put(worker),),
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=actors, initial_size=actors, max_tasks_in_flight_per_actor=2
            ),
            num_cpus=self.cpus,
            num_gpus=self.gpus or None,
        )
        try:
            for row in work.iter_rows():
                losses.tell(seconds_between_looks=_SECONDS_BETWEEN_LOOKS)
                done, raised, warned = row["made"].content
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
        losses.tell()

    def _connected(self) -> ModuleType:
        """Ray, connected to the cluster. Raises MissingExtra, EngineError."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
        if self.address is None and "RAY_AUTH_MODE" not in os.environ:
            # Ray listens on the network also where it is alone; who does not know this cannot speak to it.
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        try:
            import ray  # noqa: PLC0415 - an optional extra, and slow to import
            import ray.data  # noqa: PLC0415 - as above
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
                        address=self.address,
                        include_dashboard=False if alone else None,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        runtime_env=imports if alone else None,
                    )
            except (ConnectionError, ValueError, RuntimeError) as error:
                where = "on this machine" if self.address in {None, "auto"} else f"at {self.address}"
                token = "" if alone else "; where it asks for a token, RAY_AUTH_MODE and RAY_AUTH_TOKEN must be its own"
                raise EngineError(f"no Ray cluster {where}: {_first_line(error)}{token}") from error
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_consecutive_actor_init_deaths = 3  # a machine that is short of memory for a moment ends no study
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


@dataclass(frozen=True)
class _Parcel:
    """Something to be sent as it is: of a bare tuple or array Ray Data would make columns, and of these lists."""

    content: Any


class _Actor:
    """A copy of the worker on one of the cluster's machines; it takes one item at a time."""

    def __init__(self, worker: Any) -> None:
        import ray  # noqa: PLC0415 - it runs in a process of Ray's

        import_torchvision()  # a model that is unpickled imports it by itself, which fails beside a CPU-only torch
        self._worker: Callable[[Iterable[Any]], Iterator[Any]] = ray.get(worker)

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A row for each thing that the worker makes of the item, and one for what it raises.

        An error travels as a value: raised here, Ray would take it for its own and wrap it.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VideotcavWarning)

            def sent(done: Any = None, raised: Exception | None = None) -> dict[str, Any]:
                warned = [str(each.message) for each in caught if issubclass(each.category, VideotcavWarning)]
                caught.clear()
                return {"made": _Parcel((done, raised, warned))}

            try:
                for done in self._worker([row["item"].content]):
                    yield sent(done)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised at home
                error.add_note(traceback.format_exc())
                yield sent(raised=error)


class _Losses:
    """Says once of each machine of the cluster that it was lost while we worked."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray
        self._there = self._alive()
        self._looked = time.monotonic()

    def tell(self, *, seconds_between_looks: float = 0.0) -> None:
        """Warns of machines that were there and are not any more; says nothing where it has just looked."""
        if time.monotonic() - self._looked < seconds_between_looks:
            return
        self._looked = time.monotonic()
        now = self._alive()
        for node in sorted(self._there.keys() - now.keys()):
            warnings.warn(
                f"{self._there[node]} left the cluster; what was in flight there is done again elsewhere",
                VideotcavWarning,
                stacklevel=2,
            )
        self._there = now

    def _alive(self) -> dict[str, str]:
        return {
            node["NodeID"]: f"node {node['NodeID'][:8]} ({node['NodeManagerAddress']})"
            for node in self._ray.nodes()
            if node["Alive"]
        }


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
