"""References: where a value comes from, written in its place."""

from __future__ import annotations

import re

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean, nearest
from reconciler.model.source import Span
from reconciler.model.value import OWN_VARIABLES, Reference
from reconciler.spec.tree import Node, Scalar, Table

SCHEMES = ("env", "file")
SECRET = "secret"  # noqa: S105 - a key of the spec language
VALUE = "value"

_FORM = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9_-]*):(?P<rest>.+)", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXAMPLE = 'write for example `{secret: "env:DB_PASSWORD"}` or `{secret: "file:keys.json#password"}`'


def is_atom(node: Node) -> bool:
    """Whether merging must treat a mapping as one value: `{secret: …}` and `{value: …}`."""
    return isinstance(node, Table) and len(node.entries) == 1 and (SECRET in node or VALUE in node)


def reference_of(node: Node) -> Reference | Diagnostic | None:
    """The reference that a value is; a diagnostic where it was meant as one; None for everything else.

    A mapping whose only key is `secret` or `value` is a reference unless it holds another mapping.
    One with other keys, or with a misspelt key, counts as meant when its text starts with a known
    scheme. Diagnostics never repeat the text, which may be a secret in the wrong place.
    """
    if not isinstance(node, Table):
        return None
    if not is_atom(node):
        return _near_miss(node)
    [(key, held)] = node.items()
    if isinstance(held, Table):
        return None
    if not isinstance(held, Scalar) or not isinstance(held.value, str):
        return _malformed(f"`{key}` takes a text that says where the value comes from", held.span)
    return _parsed(held.value, held.span, confidential=key == SECRET)


def _parsed(text: str, span: Span, *, confidential: bool) -> Reference | Diagnostic:
    form = _FORM.fullmatch(text)
    if form is None:
        return _malformed("a reference has the form `scheme:locator` or `scheme:locator#part`", span)
    scheme = form["scheme"]
    if scheme not in SCHEMES:
        known = ", ".join(f"`{each}`" for each in SCHEMES)
        return _malformed("this names no known source of values", span, f"known are {known}", _meant(scheme))
    locator, has_part, part = form["rest"].rpartition("#") if "#" in form["rest"] else (form["rest"], "", "")
    if not locator.strip() or (has_part and not part.strip()):
        return _malformed("something is missing before or after the `#` of this reference", span)
    if scheme == "env" and (problem := _unreadable_variable(locator)):
        return _malformed(problem, span, advice="name another environment variable")
    return Reference(scheme, locator, part, confidential)


def _unreadable_variable(name: str) -> str | None:
    if not _VARIABLE.fullmatch(name):
        return "the name of an environment variable has letters, digits and underscores only"
    if name.upper().startswith(OWN_VARIABLES):
        return "specs cannot read this program's own credentials and settings"
    return None


def _near_miss(table: Table) -> Diagnostic | None:
    for key, entry in table.entries.items():
        if not _looks_like_reference(entry.node):
            continue
        if key in {SECRET, VALUE}:
            return _malformed(f"nothing else can stand beside `{key}` in a reference", entry.key.span)
        if len(table.entries) == 1 and (meant := nearest(key, (SECRET, VALUE))):
            return _malformed(f"`{key}` is not `{meant}`", entry.key.span, advice=f"write `{meant}`")
    return None


def _looks_like_reference(node: Node) -> bool:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return False
    return node.value.partition(":")[0] in SCHEMES and ":" in node.value


def _meant(scheme: str) -> str:
    return did_you_mean(scheme, SCHEMES)


def _malformed(message: str, span: Span, note: str = "", advice: str = "") -> Diagnostic:
    notes = (note,) if note else ()
    return Diagnostic("bad-reference", message, span, notes=notes, help=advice or _EXAMPLE, secret=True)
