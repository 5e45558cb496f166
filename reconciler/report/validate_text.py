"""What `validate` found to be in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.policy import Judgement
from reconciler.report.diagnostics import as_data
from reconciler.report.plan_json import policies_data
from reconciler.report.style import counted


def validated_text(groups: int, destinations: int, files: int) -> str:
    """`Valid: 3 groups, 2 destinations in 4 files.`"""
    objects = f"{counted(groups, 'group')}, {counted(destinations, 'destination')}"
    return f"Valid: {objects} in {counted(files, 'file')}."


def validated_data(
    groups: int,
    destinations: int,
    files: int,
    warnings: Iterable[Diagnostic],
    judgements: Iterable[Judgement] = (),
) -> dict[str, Any]:
    """The same as JSON objects, with all warnings as `diagnostics`, and what policies say."""
    return {
        "diagnostics": as_data(warnings),
        "policies": policies_data(judgements),
        "groups": groups,
        "destinations": destinations,
        "files": files,
    }


def elsewhere_text(findings: int) -> str:
    """What is left out where only some files were asked about."""
    return f"{counted(findings, 'finding')} in other files not shown."
