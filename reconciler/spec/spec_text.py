"""Texts of project and spec files: the reserved `${`, and texts that look as if another tool should fill them in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from reconciler.model.diagnostic import Diagnostic, Severity, select_errors
from reconciler.model.source import Span
from reconciler.model.variable_mark import MARK, UNESCAPED, unescape_variables
from reconciler.spec.nodes import KeyValue, MappingNode, Node, Scalar, Sequence

_SHELL_VARIABLE = re.compile(r"(?<!\$)\$(?=[A-Za-z_])")
_TEMPLATE = re.compile(r"\{\{(?=.*?\}\})", re.DOTALL)
_MAY_HOLD_MARK = re.compile(r"[$\\]|\{\{")
_COMMANDS = ("secrets", "commands")
"""Place of texts that no `$NAME` warning is about: arguments of a program, which may be a shell."""


def unescape_texts(root: MappingNode, text: str) -> tuple[MappingNode, list[Diagnostic]]:
    """Unescape all texts of a file, keys included, and check them. `text` is the file itself.

    A value that stands at several places through an alias is checked once.
    """
    if _MAY_HOLD_MARK.search(text) is None:
        return root, []
    checker = _Checker(text.split("\n"))
    checked = checker.unescape_mapping(root, ())
    return checked, checker.findings


def drop_covered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Drop each finding that gives way to another error about the same text, which says more about it."""
    listed = list(diagnostics)
    if not any(finding.code_facts.gives_way for finding in listed):
        return listed
    spans = [error.span for error in select_errors(listed) if error.span and not error.code_facts.gives_way]
    return [
        finding
        for finding in listed
        if not (finding.code_facts.gives_way and any(_covers(span, finding.span) for span in spans))
    ]


def _covers(outer: Span, inner: Span | None) -> bool:
    return (
        inner is not None
        and outer.path == inner.path
        and (outer.line, outer.column) <= (inner.line, inner.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )


@dataclass(slots=True)
class _Checker:
    """Checker of the texts of one file. `seen` keeps the result of each node by the node's identity."""

    lines: list[str]
    findings: list[Diagnostic] = field(default_factory=list)
    seen: dict[int, Node] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)

    def unescape_mapping(self, mapping: MappingNode, keys: tuple[str, ...]) -> MappingNode:
        entries = {}
        is_changed = False
        for name, entry in mapping.entries.items():
            key = self._unescape_scalar(entry.key, (*keys, name))
            node = self._unescape(entry.node, (*keys, name))
            is_changed = is_changed or key is not entry.key or node is not entry.node
            entries[str(key.value)] = KeyValue(key, node)
        return MappingNode(entries, mapping.span) if is_changed else mapping

    def _unescape(self, node: Node, keys: tuple[str, ...]) -> Node:
        if id(node) not in self.seen:
            self.seen[id(node)] = self._unescape_once(node, keys)
        return self.seen[id(node)]

    def _unescape_once(self, node: Node, keys: tuple[str, ...]) -> Node:
        match node:
            case Scalar():
                return self._unescape_scalar(node, keys)
            case Sequence(items=items):
                unescaped = tuple(self._unescape(item, keys) for item in items)
                is_changed = any(new is not old for new, old in zip(unescaped, items, strict=True))
                return Sequence(unescaped, node.span) if is_changed else node
            case MappingNode():
                return self.unescape_mapping(node, keys)

    def _unescape_scalar(self, scalar: Scalar, keys: tuple[str, ...]) -> Scalar:
        value = scalar.value
        if not isinstance(value, str) or not ("$" in value or "{{" in value):
            return scalar
        if UNESCAPED.search(value):
            self._report(_explain_unescaped, scalar.span, UNESCAPED)
        elif keys[:2] != _COMMANDS:
            for explain, pattern in (
                (_explain_shell_variable, _SHELL_VARIABLE),
                (_explain_template, _TEMPLATE),
            ):
                if pattern.search(value) and explain.__name__ not in self.warned:
                    self.warned.add(explain.__name__)
                    self._report(explain, scalar.span, pattern)
        unescaped = unescape_variables(value)
        return Scalar(unescaped, scalar.span) if unescaped != value else scalar

    def _report(self, explain: Callable[[Span], Diagnostic], span: Span, pattern: re.Pattern[str]) -> None:
        place = self._locate(span, pattern)
        # Only a place within the value keeps it from being taken for harmless because a finding is about it.
        finding = replace(explain(place), secret=place == span)
        if finding not in self.findings:
            self.findings.append(finding)

    def _locate(self, span: Span, pattern: re.Pattern[str]) -> Span:
        """Locate the mark within a text; the text itself if its file spells the mark by an escape."""
        for number in range(span.line, span.end_line + 1):
            line = self.lines[number - 1]
            start = span.column - 1 if number == span.line else 0
            end = span.end_column - 1 if number == span.end_line else len(line)
            if match := pattern.search(line, start, end):
                return Span(span.path, number, match.start() + 1, number, match.end() + 1)
        return span


def _explain_unescaped(span: Span) -> Diagnostic:
    return Diagnostic(
        "unescaped-variable",
        f"`{MARK}` is reserved for variables, which specs do not have yet",
        span,
        help='write the value itself, or refer to it: `{value: "env:NAME"}`; a literal `${` is written `$${`',
    )


def _explain_shell_variable(span: Span) -> Diagnostic:
    return _explain_literal(
        span, "a `$` before a name is taken as it stands: specs have no variables of a shell"
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
