"""Install packages with an entry point on the import path."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest


def install_package(
    site: Path, monkeypatch: pytest.MonkeyPatch, module: str, group: str, entry_point: str, *, code: str = ""
) -> None:
    """Put a package onto the path that offers `NAME = TARGET` in a group of entry points. Without code its module is
    missing."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, module, raising=False)
    name, target = (part.strip() for part in entry_point.split("="))
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{target}\n")
    if code:
        (site / f"{module}.py").write_text(dedent(code))
