"""What stores are given in the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.runtime.clock import SystemClock
from reconciler.secrets.base import StoreContext

MakeContext = Callable[..., StoreContext]


@pytest.fixture
def make_context(tmp_path: Path) -> MakeContext:
    """Makes surroundings: the test's own folder, and an environment with nothing but what is named."""

    def make(timeout: float = 10, **environ: str) -> StoreContext:
        return StoreContext(tmp_path, environ, SystemClock(), timeout)

    return make
