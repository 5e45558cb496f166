"""References: where a value comes from, written in its place."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean, nearest
from reconciler.model.source import Span
from reconciler.model.value import Reference
from reconciler.spec.tree import Node, Scalar, Table

SECRET = "secret"  # noqa: S105 - a key of the spec language
VALUE = "value"

_FORM = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9_-]*):(?P<rest>.+)", re.DOTALL)
_EXAMPLE = 'write for example `{secret: "env:DB_PASSWORD"}` or `{secret: "file:keys.json#password"}`'


@dataclass(frozen=True, slots=True)
class Sources:
    """What the references of a project may name.

    `schemes` maps each known scheme to a rule that says what is wrong with a reference and what to
    do, or None. `allow` are globs that narrow the references, `visible` those whose values are shown; None allows all.
    """

    schemes: Mapping[str, Callable[[Reference], tuple[str, str] | None]]
    allow: tuple[str, ...] | None = None
    visible: tuple[str, ...] | None = None

    def allows(self, reference: Reference) -> bool:
        """Whether a reference is one of those that the project lets specs use, with its part or without."""
        is_visible = reference.confidential or _covered(reference, self.visible)
        return is_visible and _covered(reference, self.allow)


def _covered(reference: Reference, globs: tuple[str, ...] | None) -> bool:
    if globs is None:
        return True
    locator = reference.locator
    if reference.scheme == "file":
        locator = posixpath.normpath(locator)  # else `/run/secrets/*` would allow `/run/secrets/../x`
    written = f"{reference.scheme}:{locator}"
    texts = (written, f"{written}#{reference.part}")
    return any(fnmatchcase(text, pattern) for text in texts for pattern in globs)


def is_atom(node: Node) -> bool:
    """Whether merging must treat a mapping as one value: `{secret: …}` and `{value: …}`."""
    return isinstance(node, Table) and len(node.entries) == 1 and (SECRET in node or VALUE in node)


def reference_of(node: Node, sources: Sources) -> Reference | Diagnostic | None:
    """The reference that a value is; a diagnostic where it was meant as one; None for everything else.

    A mapping whose only key is `secret` or `value` is a reference unless it holds another mapping.
    One with other keys, or with a misspelt key, counts as meant when its text starts with a known
    scheme. Diagnostics never repeat the text, which may be a secret in the wrong place.
    """
    if not isinstance(node, Table):
        return None
    if not is_atom(node):
        return _near_miss(node, sources)
    [(key, held)] = node.items()
    if isinstance(held, Table):
        return None
    if not isinstance(held, Scalar) or not isinstance(held.value, str):
        return _malformed(f"`{key}` takes a text that says where the value comes from", held.span)
    return _parsed(held.value, held.span, sources, confidential=key == SECRET)


def _parsed(text: str, span: Span, sources: Sources, *, confidential: bool) -> Reference | Diagnostic:
    form = _FORM.fullmatch(text)
    if form is None:
        return _malformed("a reference has the form `scheme:locator` or `scheme:locator#part`", span)
    scheme = form["scheme"]
    if scheme not in sources.schemes:
        known = ", ".join(f"`{each}`" for each in sorted(sources.schemes))
        advice = did_you_mean(scheme, sources.schemes)
        return _malformed("this names no known source of values", span, f"known are {known}", advice)
    locator, has_part, part = form["rest"].rpartition("#") if "#" in form["rest"] else (form["rest"], "", "")
    if not locator.strip() or (has_part and not part.strip()):
        return _malformed("something is missing before or after the `#` of this reference", span)
    reference = Reference(scheme, locator, part, confidential)
    if flaw := sources.schemes[scheme](reference):
        return replace(_malformed(flaw[0], span, advice=flaw[1]), secret=not _is_name(reference))
    if sources.allows(reference):
        return reference
    return _not_allowed(span, "secrets.visible" if _covered(reference, sources.allow) else "secrets.allow")


def _is_name(reference: Reference) -> bool:
    """Whether a reference is certainly no secret in the wrong place: it has the form of a variable."""
    return (
        re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", reference.locator) is not None and not reference.part
    )


def _near_miss(table: Table, sources: Sources) -> Diagnostic | None:
    for key, entry in table.entries.items():
        if not _looks_like_reference(entry.node, sources):
            continue
        if key in {SECRET, VALUE}:
            return _malformed(f"nothing else can stand beside `{key}` in a reference", entry.key.span)
        if len(table.entries) == 1 and (meant := nearest(key, (SECRET, VALUE))):
            return _malformed(f"`{key}` is not `{meant}`", entry.key.span, advice=f"write `{meant}`")
    return None


def _looks_like_reference(node: Node, sources: Sources) -> bool:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return False
    scheme, colon, _ = node.value.partition(":")
    return bool(colon) and scheme in sources.schemes


def _not_allowed(span: Span, setting: str) -> Diagnostic:
    shown = " for a value that is shown" if setting == "secrets.visible" else ""
    return Diagnostic(
        "reference-not-allowed",
        f"the project file does not allow this reference{shown}",
        span,
        help=f"refer to something that `{setting}:` covers, or have it extended there",
        secret=True,
    )


def _malformed(message: str, span: Span, note: str = "", advice: str = "") -> Diagnostic:
    notes = (note,) if note else ()
    return Diagnostic("bad-reference", message, span, notes=notes, help=advice or _EXAMPLE, secret=True)
