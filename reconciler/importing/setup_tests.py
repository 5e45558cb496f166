"""Declare that the setup tests of an incomplete destination need not pass, so that its first plan runs none."""

from __future__ import annotations

from dataclasses import replace

from reconciler.importing.model import ImportedEntry
from reconciler.kinds.destination import UNTESTED_STATUS
from reconciler.model.address import DESTINATION
from reconciler.model.resource import OnFailure

_COMMENT = "Without `setup_tests` here, a plan runs the tests until they pass."


def accept_incomplete(entry: ImportedEntry) -> ImportedEntry:
    """Add `setup_tests: {on_failure: warn}` to the entry of an incomplete destination."""
    destination = entry.live.destination
    if destination is None or destination.status != UNTESTED_STATUS or DESTINATION not in entry.content:
        return entry
    block = {**entry.content[DESTINATION], "setup_tests": {"on_failure": OnFailure.WARN.value}}
    return replace(
        entry, content={**entry.content, DESTINATION: block}, comments=(*entry.comments, _COMMENT)
    )
