"""Fixtures of the tests of secret stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.runtime.clock import SystemClock
from reconciler.secrets.base import StoreContext

MakeContext = Callable[..., StoreContext]


@pytest.fixture
def make_context(tmp_path: Path) -> MakeContext:
    """Make store contexts with the folder of the test and an environment of only the given variables."""

    def make(timeout: float = 10, **environ: str) -> StoreContext:
        return StoreContext(tmp_path, environ, SystemClock(), timeout)

    return make
