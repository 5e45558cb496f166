"""Template of the references that stand in place of secrets, such as `env:{KEY}_{FIELD}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import EXTERNAL_SCHEME, OWN_VARIABLES, Reference
from reconciler.model.variable_mark import NAME
from reconciler.secrets.stores import build_validators
from reconciler.spec.new_entry import Verbatim
from reconciler.spec.nodes import KeyValue, MappingNode, Scalar
from reconciler.spec.reference import SECRET, AllowedSources, parse_reference

_PLACEHOLDERS = ("key", "KEY", "field", "FIELD")
_PLACEHOLDER = re.compile(r"(?<!\$)\{([^{}]*)\}")  # `${NAME}` is a variable of the project
_BRACES = re.compile(r"\{[^{}]*\}")
_VARIABLE = re.compile(rf"\$\{{{NAME}\}}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
_PREFIX = "GROUP_"
_ENVIRONMENT, _COMMANDS = "env", "command"
_EXAMPLE = "write for example `env:{KEY}_{FIELD}` or `vault:kv/fivetran/{key}#{field}`"


@dataclass(frozen=True, slots=True)
class SecretTemplate:
    """Checked template. Build it with `parse_template`."""

    text: str

    def fill(self, key: str, field: str) -> Verbatim:
        """Fill in the key of an entry and the name of a field."""
        text = _fill(self.text, key, field)
        scheme, _, locator = text.partition(":")
        if scheme == _ENVIRONMENT and locator.upper().startswith(OWN_VARIABLES):
            text = (
                f"{scheme}:{_PREFIX}{locator}"  # specs cannot read variables of this program's own prefixes
            )
        return Verbatim(text)

    def list_candidates(self, key: str, field: str) -> Iterator[Verbatim]:
        """List references for a field: the plain reference first, then references with a number."""
        yield self.fill(key, field)
        number = 2
        while True:
            yield self.fill(key, f"{field}_{number}")
            number += 1


@lru_cache(maxsize=8)
def parse_template(text: str) -> SecretTemplate:
    """Parse a template. Raises ReconcilerError if references that follow it are invalid, or the same for two fields."""
    problem = _find_problem(text)
    if problem is not None:
        message, advice = problem
        raise ReconcilerError([Diagnostic("wrong-usage", f"the template of secrets: {message}", help=advice)])
    return SecretTemplate(text)


def _find_problem(text: str) -> tuple[str, str] | None:
    """Find a problem of a template, with advice."""
    if not text.strip():
        return "the template is empty", _EXAMPLE
    rest = _BRACES.sub("", text)
    if "{" in rest:
        return "`{` is not closed", _EXAMPLE
    if "}" in rest:
        return "`}` has no `{` before it", _EXAMPLE
    names = _PLACEHOLDER.findall(text)
    for name in names:
        if name not in _PLACEHOLDERS:
            nearest = find_nearest(name, _PLACEHOLDERS)
            advice = (
                f"did you mean `{{{nearest}}}`?"
                if nearest
                else "it has `{key}` and `{field}`, also in capitals"
            )
            return f"`{{{name}}}` is no placeholder", advice
    for lower, purpose in (("key", "two entries"), ("field", "two fields of one entry")):
        if not {lower, lower.upper()} & {*names}:
            return f"`{{{lower}}}` is missing, so that {purpose} would share a secret", _EXAMPLE
    return _check_sample(_VARIABLE.sub("X", _fill(text, "key", "field")))


def _fill(text: str, key: str, field: str) -> str:
    name = _NOT_IN_NAMES.sub("_", field)
    values = {"key": key, "KEY": key.upper(), "field": name, "FIELD": name.upper()}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _check_sample(sample: str) -> tuple[str, str] | None:
    """Check a reference that follows the template."""
    # The names of commands stand in the project file, with which the finished specs are checked.
    validators = build_validators(()) | {_COMMANDS: lambda reference: None}
    place = Span("--secrets", 1, 1, 1, 1)
    node = MappingNode({SECRET: KeyValue(Scalar(SECRET, place), Scalar(sample, place))}, place)
    match parse_reference(node, AllowedSources(validators)):
        case Diagnostic() as finding:
            return finding.message, "; ".join([_EXAMPLE, *finding.notes])
        case Reference(scheme=scheme) if scheme == EXTERNAL_SCHEME:
            return (
                f"`{scheme}:` is for values that Fivetran itself fetches, and it fetches none of these",
                _EXAMPLE,
            )
    return None
