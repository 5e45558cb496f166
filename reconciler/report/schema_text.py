"""JSON Schemas, and how to tell an editor about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler.model.sanitize import escape


def render_schema(schema: Mapping[str, Any]) -> str:
    """A schema as JSON in ASCII."""
    return json.dumps(schema, indent=2)


def render_written_files(files: Iterable[Path], modelines: Mapping[str, str]) -> str:
    """Which files were written, and the first line that each spec needs."""
    width = max(map(len, modelines))
    return "\n".join(
        [
            *(f"Wrote {escape(str(file))}" for file in files),
            "",
            "Start your files with the line that belongs to their folder:",
            "",
            *(f"  {escape(folder):<{width}}  {escape(modeline)}" for folder, modeline in modelines.items()),
        ]
    )
