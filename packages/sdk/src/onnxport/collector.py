"""Python's cyclic garbage collector, out of the way while a model is built.

An export makes some hundred objects per node, all of which live until its end. The collector runs whenever the
number of objects has grown by a quarter, walks all of them (torch's own several hundred thousand first) and finds
nothing: exporting 16,000 nodes took nearly twice as long with it as without.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pauses:
    """How many exports want the collector out of the way, and whether it was on before the first of them.

    The collector is one for the whole process, and so is this.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_enabled = False

    def enter(self) -> None:
        with self._lock:
            if not self._count:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._count += 1

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and self._was_enabled:
                gc.enable()


_PAUSES = _Pauses()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the collector from running; reference counting goes on, and other threads' garbage waits."""
    _PAUSES.enter()
    try:
        yield
    finally:
        _PAUSES.leave()
