"""Switch the setup tests of an unhealthy destination off, so that its first plan runs none."""

from __future__ import annotations

from dataclasses import replace

from reconciler.importing.model import ImportedEntry
from reconciler.kinds.destination import is_unhealthy
from reconciler.model.address import DESTINATION

_SETUP_TESTS = "setup_tests"
_COMMENTS = (
    "Setup tests are off, so that the first apply runs none and sends nothing. After it, run",
    "`reconciler test {key}`, and delete the line `setup_tests` once they pass.",
)


def accept_unhealthy(entry: ImportedEntry) -> ImportedEntry:
    """Add `setup_tests: {run: false}` to the entry of an unhealthy destination that runs setup tests."""
    destination = entry.live.destination
    if destination is None or not is_unhealthy(destination.status) or DESTINATION not in entry.content:
        return entry
    if _SETUP_TESTS in entry.content[DESTINATION]:
        return entry
    block = {**entry.content[DESTINATION], _SETUP_TESTS: {"run": False}}
    comments = (line.format(key=entry.key) for line in _COMMENTS)
    return replace(
        entry, content={**entry.content, DESTINATION: block}, comments=(*entry.comments, *comments)
    )
