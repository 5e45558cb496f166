"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Fivetran, Project, fivetran


@pytest.fixture
def server() -> Iterator[Fivetran]:
    """A Fivetran with an empty account."""
    with fivetran() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Project:
    """An empty project folder."""
    return Project(tmp_path, monkeypatch, capfd)
