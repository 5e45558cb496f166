"""Fixtures of the tests of secret stores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cloud_hosts import set_cloud_environment

from reconciler.runtime.clock import SystemClock
from reconciler.secrets.base import StoreContext

MakeContext = Callable[..., StoreContext]


@pytest.fixture
def make_context(tmp_path: Path) -> MakeContext:
    """Make store contexts with the folder of the test and an environment of only the given variables."""

    def make(timeout: float = 10, **environ: str) -> StoreContext:
        return StoreContext(tmp_path, environ, SystemClock(), timeout)

    return make


@pytest.fixture
def cloud_environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the variables of this process that libraries of clouds read, and no others of theirs."""
    return partial(set_cloud_environment, monkeypatch, tmp_path)
