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

_MARKED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w.-]*)|(?P<sign>==|!=|&&|\|\||[!(),]))"
)

Function = Callable[..., Any]


class ExpressionError(Exception):
    """An expression that these tests do not understand, or that GitHub would not."""


@dataclass(frozen=True)
class Surroundings:
    """What an expression may look at in one place of a workflow."""

    contexts: Mapping[str, Any]
    functions: Mapping[str, Function]

    def only(self, *names: str) -> Surroundings:
        """The same with these contexts alone: GitHub has others in other places of a file."""
        return Surroundings({name: self.contexts[name] for name in names}, self.functions)


def filled(text: Any, surroundings: Surroundings) -> Any:
    """A value of a workflow with its expressions replaced; one that is nothing but an expression keeps its type."""
    if not isinstance(text, str):
        return text
    whole = _MARKED.fullmatch(text.strip())
    if whole and "${{" not in whole[1]:
        return evaluated(whole[1], surroundings)
    return _MARKED.sub(lambda found: as_text(evaluated(found[1], surroundings)), text)


def is_met(condition: Any, surroundings: Surroundings) -> bool:
    """Whether an `if:` holds, with or without `${{ }}` around it."""
    marked = _MARKED.fullmatch(str(condition).strip())
    return bool(evaluated(marked[1] if marked else str(condition), surroundings))


def as_text(value: Any) -> str:
    """A value as it stands in a text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def evaluated(expression: str, surroundings: Surroundings) -> Any:
    """The value of one expression."""
    reading = _Reading(_tokens(expression), surroundings)
    value = reading.alternatives()
    if reading.rest:
        raise ExpressionError(f"not understood behind the end: {expression!r}")
    return value


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = expression.strip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ExpressionError(f"not understood: {text[at:]!r}")
        at = token.end()
        found.append((token.lastgroup or "", token[token.lastgroup or 0]))
    return found


@dataclass
class _Reading:
    """A recursive descent over the tokens that are left."""

    rest: list[tuple[str, str]]
    surroundings: Surroundings

    def alternatives(self) -> Any:
        value = self._all()
        while self._takes("||"):
            other = self._all()
            value = value or other
        return value

    def _all(self) -> Any:
        value = self._comparison()
        while self._takes("&&"):
            other = self._comparison()
            value = other if value else value
        return value

    def _comparison(self) -> Any:
        value = self._single()
        if self._takes("=="):
            return _same(value, self._single())
        if self._takes("!="):
            return not _same(value, self._single())
        return value

    def _single(self) -> Any:
        if self._takes("!"):
            return not self._single()
        if self._takes("("):
            value = self.alternatives()
            self._needs(")")
            return value
        kind, token = self.rest.pop(0) if self.rest else ("", "")
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind != "name":
            raise ExpressionError(f"a value is missing before {token!r}")
        return self._call(token) if self._takes("(") else self._looked_up(token)

    def _call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._takes(")"):
            arguments.append(self.alternatives())
            if not self._takes(","):
                self._needs(")")
                break
        if name not in self.surroundings.functions:
            raise ExpressionError(f"unknown function `{name}`")
        return self.surroundings.functions[name](*arguments)

    def _looked_up(self, name: str) -> Any:
        """GitHub answers nothing for a property that is not there; here that is so for what an event may lack."""
        root, *path = name.split(".")
        if root in ("true", "false") and not path:
            return root == "true"
        if root not in self.surroundings.contexts:
            raise ExpressionError(f"there is no context `{root}` in this place, which has {name!r}")
        value = self.surroundings.contexts[root]
        for number, part in enumerate(path):
            may_lack = root in ("secrets", "inputs", "steps", "needs") or path[0] == "event"
            if not isinstance(value, Mapping) or part not in value:
                if may_lack:
                    return None
                raise ExpressionError(f"`{root}.{'.'.join(path[: number + 1])}` is not known to these tests")
            value = value[part]
        return value

    def _takes(self, sign: str) -> bool:
        if self.rest and self.rest[0] == ("sign", sign):
            self.rest.pop(0)
            return True
        return False

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise ExpressionError(f"`{sign}` is missing")


def _same(one: Any, other: Any) -> bool:
    return as_text(one).lower() == as_text(other).lower()


def _format(text: str, *values: Any) -> str:
    for number, value in enumerate(values):
        text = text.replace(f"{{{number}}}", as_text(value))
    return text


PURE: Mapping[str, Function] = {"format": _format, "fromJSON": json.loads}
"""Functions that need to know nothing about a run."""
