"""Serialize the warnings that a project ignores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.model.diagnostic import IgnoredWarning
from reconciler.report.diagnostics import serialize_diagnostics


def serialize_ignored(ignored: Sequence[IgnoredWarning]) -> dict[str, Any]:
    """Serialize ignored warnings with the reasons of the team, as `ignored_warnings`; empty without such warnings."""
    if not ignored:
        return {}
    return {
        "ignored_warnings": [
            {**serialize_diagnostics([each.warning])[0], "because": each.because} for each in ignored
        ]
    }
