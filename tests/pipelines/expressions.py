"""The expressions of GitHub Actions, as far as the example workflows use them. Anything else is an error.

An unknown context, function or sign raises ExpressionError: a workflow that these tests do not understand must not
pass them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_INTERPOLATION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w.-]*)|(?P<sign>==|!=|&&|\|\||[!(),]))"
)

Function = Callable[..., Any]


class ExpressionError(Exception):
    """An expression that these tests or GitHub do not support."""


@dataclass(frozen=True)
class ExpressionScope:
    """The contexts and functions available to an expression at one position of a workflow."""

    contexts: Mapping[str, Any]
    functions: Mapping[str, Function]

    def restrict(self, *names: str) -> ExpressionScope:
        """Restrict the scope to these contexts: GitHub offers different contexts at other positions of a file."""
        return ExpressionScope({name: self.contexts[name] for name in names}, self.functions)


def interpolate(text: Any, scope: ExpressionScope) -> Any:
    """Replace the expressions in a value of a workflow; a value that is one expression keeps its type."""
    if not isinstance(text, str):
        return text
    whole = _INTERPOLATION.fullmatch(text.strip())
    if whole and "${{" not in whole[1]:
        return evaluate(whole[1], scope)
    return _INTERPOLATION.sub(lambda found: to_text(evaluate(found[1], scope)), text)


def is_met(condition: Any, scope: ExpressionScope) -> bool:
    """Evaluate an `if:`, with or without `${{ }}` around it."""
    match = _INTERPOLATION.fullmatch(str(condition).strip())
    return bool(evaluate(match[1] if match else str(condition), scope))


def to_text(value: Any) -> str:
    """Convert a value to its text form."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def evaluate(expression: str, scope: ExpressionScope) -> Any:
    """Evaluate one expression."""
    parser = _ExpressionParser(_tokenize(expression), scope)
    value = parser.parse_or()
    if parser.tokens:
        raise ExpressionError(f"not understood behind the end: {expression!r}")
    return value


def _tokenize(expression: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    text = expression.strip()
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ExpressionError(f"not understood: {text[position:]!r}")
        position = token.end()
        tokens.append((token.lastgroup or "", token[token.lastgroup or 0]))
    return tokens


@dataclass
class _ExpressionParser:
    """A recursive descent parser over the remaining tokens."""

    tokens: list[tuple[str, str]]
    scope: ExpressionScope

    def parse_or(self) -> Any:
        value = self._parse_and()
        while self._accept("||"):
            right = self._parse_and()
            value = value or right
        return value

    def _parse_and(self) -> Any:
        value = self._parse_comparison()
        while self._accept("&&"):
            right = self._parse_comparison()
            value = right if value else value
        return value

    def _parse_comparison(self) -> Any:
        value = self._parse_unary()
        if self._accept("=="):
            return _is_equal(value, self._parse_unary())
        if self._accept("!="):
            return not _is_equal(value, self._parse_unary())
        return value

    def _parse_unary(self) -> Any:
        if self._accept("!"):
            return not self._parse_unary()
        if self._accept("("):
            value = self.parse_or()
            self._expect(")")
            return value
        kind, token = self.tokens.pop(0) if self.tokens else ("", "")
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind != "name":
            raise ExpressionError(f"a value is missing before {token!r}")
        return self._parse_call(token) if self._accept("(") else self._look_up(token)

    def _parse_call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._accept(")"):
            arguments.append(self.parse_or())
            if not self._accept(","):
                self._expect(")")
                break
        if name not in self.scope.functions:
            raise ExpressionError(f"unknown function `{name}`")
        return self.scope.functions[name](*arguments)

    def _look_up(self, name: str) -> Any:
        """Look up a property. GitHub returns null for a missing property; the tests allow that for event data only."""
        root, *path = name.split(".")
        if root in ("true", "false") and not path:
            return root == "true"
        if root not in self.scope.contexts:
            raise ExpressionError(f"there is no context `{root}` in this place, which has {name!r}")
        value = self.scope.contexts[root]
        for number, part in enumerate(path):
            may_lack = root in ("secrets", "inputs", "steps", "needs") or path[0] == "event"
            if not isinstance(value, Mapping) or part not in value:
                if may_lack:
                    return None
                raise ExpressionError(f"`{root}.{'.'.join(path[: number + 1])}` is not known to these tests")
            value = value[part]
        return value

    def _accept(self, sign: str) -> bool:
        if self.tokens and self.tokens[0] == ("sign", sign):
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise ExpressionError(f"`{sign}` is missing")


def _is_equal(left: Any, right: Any) -> bool:
    return to_text(left).lower() == to_text(right).lower()


def _format(text: str, *values: Any) -> str:
    for number, value in enumerate(values):
        text = text.replace(f"{{{number}}}", to_text(value))
    return text


BUILTIN_FUNCTIONS: Mapping[str, Function] = {"format": _format, "fromJSON": json.loads}
"""Functions that need to know nothing about a run."""
