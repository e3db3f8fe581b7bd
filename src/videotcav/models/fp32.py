"""Passes in fp32 are in fp32: what torch may round on the way is switched off while one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock

import torch

_NEW = (
    ("cuda", "matmul"),
    ("cudnn", "conv"),
    ("cudnn", "rnn"),
    ("mkldnn", "matmul"),
    ("mkldnn", "conv"),
    ("mkldnn", "rnn"),
)
_LOCK = Lock()
_undo: list[Callable[[], None]] = []
_inside = 0


@contextmanager
def whole_fp32() -> Iterator[None]:
    """Products and convolutions of float32 as such inside, and as the caller had them afterwards.

    By default cuDNN convolves in TF32, of 10 bits; `torch.set_float32_matmul_precision("medium")` multiplies in bf16,
    on a CPU too. These switches are the process's own: the last thread to leave puts them back.
    """
    global _inside  # noqa: PLW0603 - as the switches are
    with _LOCK:
        _inside += 1
        if _inside == 1:
            _undo[:] = _switch_off()
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if not _inside:
                for put_back in _undo:
                    put_back()


def _switch_off() -> list[Callable[[], None]]:
    """How to put each switch back, all being off.

    torch 2.9 has one a backend and operation, beside two older ones that modules read, and that must not say otherwise.
    """
    new = []
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        new = [getattr(getattr(torch.backends, backend), operation) for backend, operation in _NEW]
    undo: list[Callable[[], None]] = []
    with suppress(RuntimeError):  # the caller's say otherwise
        undo.append(partial(setattr, torch.backends.cudnn, "allow_tf32", torch.backends.cudnn.allow_tf32))
    with suppress(RuntimeError):
        undo.append(partial(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()))
    undo += [partial(setattr, each, "fp32_precision", each.fp32_precision) for each in new]
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    for each in new:
        each.fp32_precision = "ieee"
    return undo
