"""Doing many slow things at once. Daemon threads, since an executor's threads outlive Ctrl-C."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_parallel(
    work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[tuple[_Item, _Result]]:
    """Every item with its result, in the order in which they are done; consumed by the calling thread.

    The first exception of any `work` is raised here, and nothing new is started after it.
    """
    waiting: queue.SimpleQueue[_Item] = queue.SimpleQueue()
    count = 0
    for item in items:
        waiting.put(item)
        count += 1
    done: queue.SimpleQueue[tuple[_Item, _Result] | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((item, work(item)))
            except BaseException as error:  # raised again by the caller's thread
                done.put(error)

    for _ in range(min(workers, count)):
        threading.Thread(target=run, daemon=True).start()
    try:
        for _ in range(count):
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
