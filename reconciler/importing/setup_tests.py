"""Switch the setup tests of an unhealthy destination off, so that its first plan runs none."""

from __future__ import annotations

from dataclasses import replace

from reconciler.importing.model import ImportedEntry
from reconciler.kinds.destination import is_unhealthy
from reconciler.model.address import DESTINATION

_SETUP_TESTS = "setup_tests"
_COMMENT = (
    "Its setup tests are off, so that the first plan is empty; without `run: false` an apply runs them."
)


def accept_unhealthy(entry: ImportedEntry) -> ImportedEntry:
    """Add `setup_tests: {run: false}` to the entry of an unhealthy destination that runs setup tests."""
    destination = entry.live.destination
    if destination is None or not is_unhealthy(destination.status) or DESTINATION not in entry.content:
        return entry
    if _SETUP_TESTS in entry.content[DESTINATION]:
        return entry
    block = {**entry.content[DESTINATION], _SETUP_TESTS: {"run": False}}
    return replace(entry, content={**entry.content, DESTINATION: block}, comments=(*entry.comments, _COMMENT))
