"""Fill the templates of specs with the values of variables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
from reconciler.model.variable_mark import MARK, TOKEN, unescape_variables
from reconciler.spec.nodes import (
    FilledScalar,
    KeyValue,
    MappingNode,
    Node,
    Scalar,
    Sequence,
    Template,
    VariableUse,
)
from reconciler.spec.spec_text import ESCAPE_ADVICE, SpecTexts
from reconciler.spec.variable_places import VARS
from reconciler.spec.variables import Variable

MAX_FILLED = 4 * 1024 * 1024
"""Maximum of characters of all filled texts: a long value that stands often in texts could fill the memory."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Result of filling templates.

    `given` are the values of `--var` by name, `filled` the variables of each text by its place, and `unresolved` the
    places of texts that have no value because of an error.
    """

    given: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    filled: Mapping[Span, tuple[Variable, ...]] = field(default_factory=dict)
    unresolved: frozenset[Span] = frozenset()


@dataclass(slots=True)
class TemplateFiller:
    """Filler of the templates of a project, file by file.

    `filled` has the variables of each filled text by its place, `unresolved` the places of texts without a value.
    Undefined variables stay as they are written. They are findings, unless `reports` is false or their definition is
    `invalid`.
    """

    variables: Mapping[str, Variable]
    invalid: Collection[str] = ()
    reports: bool = True
    findings: list[Diagnostic] = field(default_factory=list)
    filled: dict[Span, tuple[Variable, ...]] = field(default_factory=dict)
    unresolved: set[Span] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    _size: int = 0

    def fill(self, root: MappingNode, texts: SpecTexts) -> MappingNode:
        """Fill the templates of a tree, which is the tree of `texts` or a part of it."""
        scalars: dict[int, Node] = {
            id(template): self._fill_template(template) for template in texts.templates
        }
        return _replace_in_mapping(root, scalars) if scalars else root

    def finish(self, refused: Collection[Span]) -> Filling:
        """Return the result. `refused` are the places of texts whose variables were refused."""
        given = {name: variable.value for name, variable in self.variables.items() if variable.span is None}
        return Filling(given, self.filled, frozenset(self.unresolved.union(refused)))

    def _fill_template(self, template: Template) -> Scalar:
        """Fill a template. A text that is one variable has the type of the variable."""
        self._record_uses(template)
        text, span = str(template.value), template.span
        whole = TOKEN.fullmatch(text)
        if whole and (variable := self.variables.get(whole["name"])):
            spelling = "" if isinstance(variable.value, str) else variable.text
            return FilledScalar(variable.value, span, spelling)
        self._size += sum(len(self._get_text(mark)) for mark in TOKEN.finditer(text))
        if self._size > MAX_FILLED:
            self.findings.append(_explain_too_large(span))
            return Scalar(text, span)
        first = next(mark for mark in TOKEN.finditer(text) if mark["name"])
        prefix = unescape_variables(text[: first.start()])
        return FilledScalar(TOKEN.sub(self._get_text, text), span, prefix=prefix)

    def _record_uses(self, template: Template) -> None:
        """Record the variables of a template, and report those without a definition."""
        self.used |= {use.name for use in template.uses}
        undefined = [use for use in template.uses if use.name not in self.variables]
        if undefined:
            self.unresolved.add(template.span)
            self.findings += (
                self._explain_undefined(use, template)
                for use in undefined
                if self.reports and use.name not in self.invalid
            )
        else:
            self.filled[template.span] = tuple(self.variables[use.name] for use in template.uses)

    def _get_text(self, mark: re.Match[str]) -> str:
        if mark["escaped"]:
            return MARK
        variable = self.variables.get(mark["name"])
        return mark.group() if variable is None else variable.text

    def _explain_undefined(self, use: VariableUse, template: Template) -> Diagnostic:
        definition = (
            f"define `{use.name}` below `{VARS}:` in the project file, or give `--var {use.name}=VALUE`"
        )
        suggestion = did_you_mean(use.name, self.variables)
        if template.value == f"env:${{{use.name}}}":
            suggestion = f"a variable of the environment has no marks: `env:{use.name}`"
        return Diagnostic(
            "undefined-variable",
            f"there is no variable `{use.name}`",
            use.span or template.span,
            notes=(f"otherwise {definition}",) if suggestion else (),
            help=suggestion or f"{definition}; {ESCAPE_ADVICE}",
            secret=use.span is None,
        )


def note_variables(
    diagnostics: Iterable[Diagnostic], filled: Mapping[Span, tuple[Variable, ...]]
) -> Iterator[Diagnostic]:
    """Note the variables and their definitions on each finding about a filled text."""
    for diagnostic in diagnostics:
        variables = filled.get(diagnostic.span, ()) if diagnostic.span is not None else ()
        notes = [variable.origin for variable in variables if variable.origin not in diagnostic.notes]
        yield replace(diagnostic, notes=(*diagnostic.notes, *notes)) if notes else diagnostic


def _replace_in_mapping(mapping: MappingNode, replacements: dict[int, Node]) -> MappingNode:
    """Replace nodes by their identities, at all their places."""
    entries = {
        name: KeyValue(entry.key, _replace(entry.node, replacements))
        for name, entry in mapping.entries.items()
    }
    return MappingNode(entries, mapping.span)


def _replace(node: Node, replacements: dict[int, Node]) -> Node:
    """Replace nodes below a node. A result is kept, so that nodes behind aliases stay shared."""
    if id(node) not in replacements:
        match node:
            case Scalar():
                return node
            case Sequence(items=items):
                replacement: Node = Sequence(tuple(_replace(item, replacements) for item in items), node.span)
            case MappingNode():
                replacement = _replace_in_mapping(node, replacements)
        replacements[id(node)] = replacement
    return replacements[id(node)]


def _explain_too_large(span: Span) -> Diagnostic:
    return Diagnostic(
        "too-large",
        f"variables make the texts of the specs longer than {MAX_FILLED // 1024 // 1024} MiB",
        span,
        help="use shorter values, or use long values less often",
        secret=True,
    )
