"""One finding of the catalogue about what a spec declares."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.diagnostic import Severity
from reconciler.model.value import FieldPath


@dataclass(frozen=True, slots=True)
class Problem:
    """A diagnostic that knows its field, but not yet its place in a file.

    `path` is where to point: at the value, or with `on_key` at the name before it. A field that is
    missing points at the setting that demands it, where there is one. With `secret` the line must
    not be shown. The other parts mean what they mean in `Diagnostic`.
    """

    code: str
    path: FieldPath
    message: str
    help: str = ""
    notes: tuple[str, ...] = ()
    on_key: bool = False
    secret: bool = False
    severity: Severity = Severity.ERROR
    label: str = ""
