"""JSON Schemas, and how to tell an editor about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler.report.neutral import neutral


def schema_text(schema: Mapping[str, Any]) -> str:
    """A schema as JSON in ASCII."""
    return json.dumps(schema, indent=2)


def written_text(files: Iterable[Path], modelines: Mapping[str, str]) -> str:
    """Which files were written, and the first line that each spec needs."""
    width = max(map(len, modelines))
    return "\n".join(
        [
            *(f"Wrote {neutral(str(file))}" for file in files),
            "",
            "Start your files with the line that belongs to their folder:",
            "",
            *(
                f"  {neutral(files_of):<{width}}  {neutral(modeline)}"
                for files_of, modeline in modelines.items()
            ),
        ]
    )
