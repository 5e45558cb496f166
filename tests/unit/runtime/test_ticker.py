from __future__ import annotations

import threading

from reconciler.runtime.ticker import Ticker

TIMEOUT = 20.0


def test_the_function_is_called_again_and_again_until_the_end() -> None:
    calls = threading.Semaphore(0)
    ticker = Ticker(calls.release)
    ticker.start()
    assert calls.acquire(timeout=TIMEOUT)
    assert calls.acquire(timeout=TIMEOUT)
    ticker.stop()
    assert not ticker._thread.is_alive()


def test_a_ticker_that_never_started_can_be_stopped() -> None:
    Ticker(lambda: None).stop()
