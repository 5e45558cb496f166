"""Parse references: sources of values, written in place of the values."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean, find_nearest
from reconciler.model.value import Reference
from reconciler.spec.nodes import FilledScalar, MappingNode, Node, Scalar

SECRET = "secret"  # noqa: S105 - a key of the spec language
VALUE = "value"

_PATTERN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9_-]*):(?P<rest>.+)", re.DOTALL)
_EXAMPLE = 'write for example `{secret: "env:DB_PASSWORD"}` or `{secret: "file:keys.json#password"}`'


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """Sources that the references of a project may name.

    `schemes` maps each known scheme to a check, which returns the error of a reference with advice, or None. `allow`
    are globs of all permitted references, `visible` are globs of permitted `value:` references; None permits all.
    """

    schemes: Mapping[str, Callable[[Reference], tuple[str, str] | None]]
    allow: tuple[str, ...] | None = None
    visible: tuple[str, ...] | None = None

    def allows(self, reference: Reference) -> bool:
        """Return whether the project permits a reference, with its part or without."""
        may_be_visible = reference.confidential or _matches_globs(reference, self.visible)
        return may_be_visible and _matches_globs(reference, self.allow)


def _matches_globs(reference: Reference, globs: tuple[str, ...] | None) -> bool:
    if globs is None:
        return True
    locator = reference.locator
    if reference.scheme == "file":
        locator = posixpath.normpath(locator)  # else `/run/secrets/*` would allow `/run/secrets/../x`
    full_name = f"{reference.scheme}:{locator}"
    candidates = (full_name, f"{full_name}#{reference.part}")
    return any(fnmatchcase(text, pattern) for text in candidates for pattern in globs)


def is_reference(node: Node) -> bool:
    """Return whether a mapping is a reference, `{secret: …}` or `{value: …}`, which merging treats as one value."""
    return isinstance(node, MappingNode) and len(node.entries) == 1 and (SECRET in node or VALUE in node)


def parse_reference(node: Node, sources: AllowedSources) -> Reference | Diagnostic | None:
    """Parse a reference; a diagnostic for a malformed reference; None for every other value.

    A mapping whose only key is `secret` or `value` is a reference unless it holds another mapping. A mapping with other
    keys, or with a misspelt key, counts as a reference if its text starts with a known scheme. Diagnostics never repeat
    the text, which may be a secret in the wrong place.
    """
    if not isinstance(node, MappingNode):
        return None
    if not is_reference(node):
        return _check_near_miss(node, sources)
    [(key, value_node)] = node.items()
    if isinstance(value_node, MappingNode):
        return None
    if not isinstance(value_node, Scalar) or not isinstance(value_node.value, str):
        return _explain_malformed(f"`{key}` takes a text that names the source of the value", value_node.span)
    if isinstance(value_node, FilledScalar) and ":" not in value_node.prefix:
        return _explain_filled_scheme(value_node.span)
    return _parse_text(value_node.value, value_node.span, sources, confidential=key == SECRET)


def _parse_text(
    text: str, span: Span, sources: AllowedSources, *, confidential: bool
) -> Reference | Diagnostic:
    match = _PATTERN.fullmatch(text)
    if match is None:
        return _explain_malformed("a reference has the form `scheme:locator` or `scheme:locator#part`", span)
    scheme = match["scheme"]
    if scheme not in sources.schemes:
        known = ", ".join(f"`{known_scheme}`" for known_scheme in sorted(sources.schemes))
        advice = did_you_mean(scheme, sources.schemes)
        return _explain_malformed("this names no known source of values", span, f"known are {known}", advice)
    locator, has_part, part = (
        match["rest"].rpartition("#") if "#" in match["rest"] else (match["rest"], "", "")
    )
    if not locator.strip() or (has_part and not part.strip()):
        return _explain_malformed("something is missing before or after the `#` of this reference", span)
    reference = Reference(scheme, locator, part, confidential)
    if problem := sources.schemes[scheme](reference):
        return replace(
            _explain_malformed(problem[0], span, advice=problem[1]), secret=not _is_variable_name(reference)
        )
    if sources.allows(reference):
        return reference
    return _explain_not_allowed(
        span, "secrets.visible" if _matches_globs(reference, sources.allow) else "secrets.allow"
    )


def _is_variable_name(reference: Reference) -> bool:
    """Return whether a reference has the form of an environment variable, and so is no secret in the wrong place."""
    return (
        re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", reference.locator) is not None and not reference.part
    )


def _check_near_miss(mapping: MappingNode, sources: AllowedSources) -> Diagnostic | None:
    for key, entry in mapping.entries.items():
        if not _looks_like_reference(entry.node, sources):
            continue
        if key in {SECRET, VALUE}:
            return _explain_malformed(f"nothing else can stand beside `{key}` in a reference", entry.key.span)
        if len(mapping.entries) == 1 and (suggestion := find_nearest(key, (SECRET, VALUE))):
            return _explain_malformed(
                f"`{key}` is not `{suggestion}`", entry.key.span, advice=f"write `{suggestion}`"
            )
    return None


def _looks_like_reference(node: Node, sources: AllowedSources) -> bool:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return False
    scheme, colon, _ = node.value.partition(":")
    return bool(colon) and scheme in sources.schemes


def _explain_filled_scheme(span: Span) -> Diagnostic:
    """Explain that a variable is no reference: specs themselves show the kind of source of each value."""
    return _explain_malformed(
        "a variable can stand only behind the scheme of a reference",
        span,
        advice='write the scheme itself, for example `{secret: "env:${NAME}"}`',
    )


def _explain_not_allowed(span: Span, setting: str) -> Diagnostic:
    suffix = " for a value that is shown" if setting == "secrets.visible" else ""
    return Diagnostic(
        "reference-not-allowed",
        f"the project file does not allow this reference{suffix}",
        span,
        help=f"use a source that `{setting}:` covers, or extend `{setting}:`",
        secret=True,
    )


def _explain_malformed(message: str, span: Span, note: str = "", advice: str = "") -> Diagnostic:
    notes = (note,) if note else ()
    return Diagnostic("bad-reference", message, span, notes=notes, help=advice or _EXAMPLE, secret=True)
