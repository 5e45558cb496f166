"""Texts of project and spec files: variables, and texts that look as if another tool should fill them in."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from reconciler.model.diagnostic import Diagnostic, Severity, select_errors
from reconciler.model.source import Span
from reconciler.model.variable_mark import MARK, NAME, TOKEN, has_variable, unescape_variables
from reconciler.spec.nodes import KeyValue, MappingNode, Node, Scalar, Sequence, Template, VariableUse
from reconciler.spec.variable_places import ROOT, Place, TextRule

ESCAPE_ADVICE = f"a literal `{MARK}` is written `$${{`"

_UNESCAPED = r"(?<!\$)\$\{"
_VARIABLE = re.compile(rf"{_UNESCAPED}(?:{NAME}\}})?")
_MALFORMED = re.compile(rf"{_UNESCAPED}(?!{NAME}\}})")
_SHELL_VARIABLE = re.compile(r"(?<!\$)\$(?=[A-Za-z_])")
_TEMPLATE = re.compile(r"\{\{(?=.*?\}\})", re.DOTALL)
_MAY_HOLD_MARK = re.compile(r"[$\\]|\{\{")


@dataclass(frozen=True, slots=True)
class SpecTexts:
    """Tree of a file whose texts are unescaped, apart from its templates.

    `findings` are about texts. `refused` are the places of texts whose variables were refused, and `templates` all
    texts with variables that have to be filled.
    """

    root: MappingNode
    findings: tuple[Diagnostic, ...] = ()
    refused: frozenset[Span] = frozenset()
    templates: tuple[Template, ...] = ()


def parse_texts(root: MappingNode, text: str) -> SpecTexts:
    """Parse all texts of a file, keys included, and check them. `text` is the file itself.

    A value that stands at several places through an alias is checked once for each rule about variables.
    """
    if _MAY_HOLD_MARK.search(text) is None:
        return SpecTexts(root)
    parser = _TextParser(text.split("\n"))
    parsed = parser.parse_mapping(root, ROOT)
    return SpecTexts(parsed, tuple(parser.findings), frozenset(parser.refused), tuple(parser.templates))


def drop_covered(diagnostics: Iterable[Diagnostic], unresolved: Collection[Span] = ()) -> list[Diagnostic]:
    """Drop each finding that gives way to another error about the same text, which says more about it.

    A text at an `unresolved` place has no value, so other findings about its value are dropped too, unless it may be a
    secret.
    """
    listed = [
        finding
        for finding in diagnostics
        if finding.code_facts.gives_way or finding.code_facts.exposes_secret or finding.span not in unresolved
    ]
    if not any(finding.code_facts.gives_way for finding in listed):
        return listed
    spans = [error.span for error in select_errors(listed) if error.span and not error.code_facts.gives_way]
    return [
        finding
        for finding in listed
        if not (finding.code_facts.gives_way and any(covers(span, finding.span) for span in spans))
    ]


def covers(outer: Span, inner: Span | None) -> bool:
    """Return whether a place contains another place."""
    return (
        inner is not None
        and outer.path == inner.path
        and (outer.line, outer.column) <= (inner.line, inner.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )


@dataclass(slots=True)
class _TextParser:
    """Parser of the texts of one file. `seen` keeps the result of each node by the identities of node and place."""

    lines: list[str]
    findings: list[Diagnostic] = field(default_factory=list)
    refused: set[Span] = field(default_factory=set)
    templates: list[Template] = field(default_factory=list)
    seen: dict[tuple[int, int], Node] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)

    def parse_mapping(self, mapping: MappingNode, place: Place) -> MappingNode:
        entries = {}
        is_changed = False
        for name, entry in mapping.entries.items():
            below = place.descend(name)
            key = self._parse_scalar(entry.key, below, is_key=True)
            node = self._parse(entry.node, below)
            is_changed = is_changed or key is not entry.key or node is not entry.node
            entries[str(key.value)] = KeyValue(key, node)
        return MappingNode(entries, mapping.span) if is_changed else mapping

    def _parse(self, node: Node, place: Place) -> Node:
        identity = (id(node), id(place))
        if identity not in self.seen:
            self.seen[identity] = self._parse_once(node, place)
        return self.seen[identity]

    def _parse_once(self, node: Node, place: Place) -> Node:
        match node:
            case Scalar():
                return self._parse_scalar(node, place)
            case Sequence(items=items):
                parsed = tuple(self._parse(item, place) for item in items)
                is_changed = any(new is not old for new, old in zip(parsed, items, strict=True))
                return Sequence(parsed, node.span) if is_changed else node
            case MappingNode():
                return self.parse_mapping(node, place)

    def _parse_scalar(self, scalar: Scalar, place: Place, *, is_key: bool = False) -> Scalar:
        value = scalar.value
        if not isinstance(value, str) or not ("$" in value or "{{" in value):
            return scalar
        self._warn_look_alikes(value, scalar.span, place)
        if has_variable(value):
            if place.rule is TextRule.ALLOWED and not is_key:
                return self._parse_template(value, scalar.span)
            is_nested = place.rule is TextRule.DEFINITION and not is_key
            self._refuse(_explain_nested if is_nested else _explain_misplaced, scalar.span, _VARIABLE)
        unescaped = unescape_variables(value)
        return Scalar(unescaped, scalar.span) if unescaped != value else scalar

    def _parse_template(self, text: str, span: Span) -> Scalar:
        marks = [mark for mark in TOKEN.finditer(text) if mark["escaped"] is None]
        if any(mark["malformed"] for mark in marks):
            self._refuse(_explain_malformed, span, _MALFORMED)
            return Scalar(unescape_variables(text), span)
        names = dict.fromkeys(mark["name"] for mark in marks)
        places = {name: self._locate(span, re.compile(rf"{_UNESCAPED}{name}\}}")) for name in names}
        template = Template(
            text, span, uses=tuple(VariableUse(name, place) for name, place in places.items())
        )
        self.templates.append(template)
        return template

    def _refuse(self, explain: Callable[[Span], Diagnostic], span: Span, pattern: re.Pattern[str]) -> None:
        self.refused.add(span)
        self._report(explain, span, pattern)

    def _warn_look_alikes(self, text: str, span: Span, place: Place) -> None:
        """Warn once for each kind of text that another tool would fill in."""
        if place.rule is TextRule.COMMAND:
            return
        for explain, pattern in ((_explain_shell_variable, _SHELL_VARIABLE), (_explain_template, _TEMPLATE)):
            if pattern.search(text) and explain.__name__ not in self.warned:
                self.warned.add(explain.__name__)
                self._report(explain, span, pattern, secret=place.rule is TextRule.DEFINITION)

    def _report(
        self,
        explain: Callable[[Span], Diagnostic],
        span: Span,
        pattern: re.Pattern[str],
        *,
        secret: bool = False,
    ) -> None:
        place = self._locate(span, pattern)
        finding = explain(place or span)
        # Only a place within the value keeps it from being taken for harmless because a finding is about it.
        finding = replace(finding, secret=finding.secret or secret or place is None)
        if finding not in self.findings:
            self.findings.append(finding)

    def _locate(self, span: Span, pattern: re.Pattern[str]) -> Span | None:
        """Locate a mark within a text; None if the file spells the mark by an escape."""
        for number in range(span.line, span.end_line + 1):
            line = self.lines[number - 1]
            start = span.column - 1 if number == span.line else 0
            end = span.end_column - 1 if number == span.end_line else len(line)
            if match := pattern.search(line, start, end):
                return Span(span.path, number, match.start() + 1, number, match.end() + 1)
        return None


def _explain_misplaced(span: Span) -> Diagnostic:
    return Diagnostic(
        "misplaced-variable",
        "no variable can stand here",
        span,
        notes=(
            "variables may stand in the `name` of a group, in `profile`, in fields of a destination, and behind the"
            " scheme of a reference",
        ),
        help=f"write the value itself; {ESCAPE_ADVICE}",
    )


def _explain_nested(span: Span) -> Diagnostic:
    return Diagnostic(
        "misplaced-variable",
        "the value of a variable cannot hold another variable",
        span,
        help=f"write the value itself; {ESCAPE_ADVICE}",
        secret=True,
    )


def _explain_malformed(span: Span) -> Diagnostic:
    return Diagnostic(
        "bad-variable",
        f"`{MARK}` starts a variable, and here no name with a `}}` follows",
        span,
        help=f"write `${{NAME}}`, a name of letters, digits and `_`; {ESCAPE_ADVICE}",
    )


def _explain_shell_variable(span: Span) -> Diagnostic:
    return _explain_literal(
        span, "a `$` before a name is taken as it stands: a variable is written `${NAME}`"
    )


def _explain_template(span: Span) -> Diagnostic:
    return _explain_literal(span, "`{{ … }}` is taken as it stands: specs have no templates")


def _explain_literal(span: Span, message: str) -> Diagnostic:
    return Diagnostic(
        "unexpanded-text",
        message,
        span,
        severity=Severity.WARNING,
        help='if a value belongs there, write it, or refer to it: `{value: "env:NAME"}`',
    )
