"""Define the variables of a project: `vars` of the project file, `vars` of override files, and `--var`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.given_variables import NAME_ADVICE, GivenVariables, is_variable_name
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
from reconciler.model.variable_mark import has_variable, unescape_variables
from reconciler.spec.characters import describe_character, find_forbidden_in_value
from reconciler.spec.composer import compose
from reconciler.spec.nodes import MappingNode, Node, Scalar
from reconciler.spec.scalars import parse_scalar
from reconciler.spec.variable_places import VARS


@dataclass(frozen=True, slots=True)
class Variable:
    """Variable with its value. `text` is the spelling of the value, `span` its place; None for a value of `--var`."""

    name: str
    value: str | int | float | bool
    text: str
    span: Span | None

    @property
    def origin(self) -> str:
        """Describe the definition of the variable, without its value."""
        place = f"given by `--var {self.name}`" if self.span is None else f"defined at {self.span}"
        return f"`${{{self.name}}}` is {place}"


def _list_entries(node: Any) -> Any:
    """List the values of a mapping. Any other value is returned unchanged: pydantic refuses it."""
    return dict(node.items()) if isinstance(node, MappingNode) else node


def _check_name(name: str) -> str:
    if not is_variable_name(name):
        context = {"help": NAME_ADVICE, "secret": True}
        raise PydanticCustomError("bad-variable", "this is no name of a variable", context)
    return name


def _check_value(node: Any) -> Scalar:
    if isinstance(node, Scalar) and node.value is not None:
        return node
    problem = (
        "this variable has no value"
        if isinstance(node, Scalar)
        else "a variable has one value, and no structure"
    )
    context = {"help": 'write a text, a number, `true` or `false`; an empty text is `""`', "secret": True}
    raise PydanticCustomError("bad-variable", problem, context)


VariableName: TypeAlias = Annotated[str, AfterValidator(_check_name)]
VariableValue: TypeAlias = Annotated[
    Scalar, PlainValidator(_check_value, json_schema_input_type=str | int | float | bool)
]
VariableDefinitions: TypeAlias = Annotated[dict[VariableName, VariableValue], BeforeValidator(_list_entries)]
"""The `vars` of a file."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """Variables of a project by name. `declared` are the names that its files define, `invalid` the names without a
    valid value; `findings` are about `--var`."""

    variables: Mapping[str, Variable]
    declared: frozenset[str] = frozenset()
    invalid: frozenset[str] = frozenset()
    findings: tuple[Diagnostic, ...] = ()


def define_variables(roots: Iterable[MappingNode], given: GivenVariables) -> Definitions:
    """Define the variables of a project.

    `roots` are the trees of the project file and of its override files, in this order: the last definition wins, and
    `--var` wins over all. Invalid definitions are left out, since the models of the files report them.
    """
    declared: dict[str, Variable | None] = {}
    for root in roots:
        declared |= _read_definitions(root)
    variables = {name: variable for name, variable in declared.items() if variable is not None}
    findings = []
    for name, text in given.texts.items():
        try:
            variables[name] = _read_given(name, text, declared.get(name), given)
        except _UnusableValueError as error:
            variables.pop(name, None)
            findings.append(_explain_given(given, name, str(error), error.advice))
    invalid = {*declared, *given.texts} - variables.keys()
    return Definitions(variables, frozenset(declared), frozenset(invalid), tuple(findings))


def find_unused(
    given: GivenVariables, declared: Collection[str], used: Collection[str]
) -> Iterator[Diagnostic]:
    """Find values of `--var` for variables that no file defines and no spec uses."""
    for name in given.texts.keys() - {*declared, *used}:
        yield _explain_given(
            given,
            name,
            f"no spec uses this variable, and no `{VARS}` defines it",
            did_you_mean(name, sorted({*declared, *used}))
            or f"use it in a spec, as `${{{name}}}`, or leave the option out",
        )


def _read_definitions(root: MappingNode) -> dict[str, Variable | None]:
    """Read the definitions of a file by name; None for a value that is invalid."""
    node = root.get(VARS)
    return (
        {name: _read_variable(name, value) for name, value in node.items()}
        if isinstance(node, MappingNode)
        else {}
    )


def _read_variable(name: str, node: Node) -> Variable | None:
    if not is_variable_name(name) or not isinstance(node, Scalar) or node.value is None:
        return None
    return Variable(name, node.value, node.as_written, node.span)


class _UnusableValueError(Exception):
    """A value of `--var` that cannot be used, with advice. The text never repeats the value, which may be a secret."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.advice = advice


def _read_given(name: str, text: str, declared: Variable | None, given: GivenVariables) -> Variable:
    """Read a value of `--var` as YAML reads it in a file. The type of a declared variable wins.

    Raises _UnusableValueError.
    """
    stripped = text.strip()
    is_quoted = stripped[:1] in {'"', "'"}
    content = _check_content(_read_quoted(stripped) if is_quoted else stripped)
    plain = parse_scalar(content)
    if declared is not None and not isinstance(declared.value, str):
        expected = _describe_type(declared.value)
        if plain is not None and _describe_type(plain) == expected:
            return Variable(name, plain, content, None)
        if not given.is_lenient:
            problem = f"{expected} belongs here, as defined at {declared.span}"
            raise _UnusableValueError(problem, "give such a value, or change the definition")
    if is_quoted or (declared is not None and isinstance(declared.value, str)):
        return Variable(name, content, content, None)
    if plain is None:
        raise _UnusableValueError("the value is missing", f'an empty text is `{name}=""`')
    return Variable(name, plain, content, None)


def _check_content(content: str) -> str:
    """Check a text by the rules for texts of files, and unescape it. Raises _UnusableValueError."""
    if (character := find_forbidden_in_value(content)) is not None:
        problem = f"the value has the invisible character {describe_character(character)}"
        raise _UnusableValueError(problem, "remove it")
    if has_variable(content):
        problem = "the value of a variable cannot hold another variable"
        raise _UnusableValueError(problem, "write the value itself; a literal `${` is written `$${`")
    return unescape_variables(content)


def _read_quoted(text: str) -> str:
    """Read a quoted text as YAML does. Raises _UnusableValueError for anything else than one quoted text."""
    node = None
    with suppress(ReconcilerError):
        node = compose(text, VARS)
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.value
    raise _UnusableValueError("this is no quoted text of YAML", "put the whole value in quotes")


def _describe_type(value: object) -> str:
    match value:
        case bool():
            return "`true` or `false`"
        case int() | float():
            return "a number"
    return "a text"


def _explain_given(given: GivenVariables, name: str, problem: str, advice: str) -> Diagnostic:
    return Diagnostic(given.code, f"`--var {name}`: {problem}", help=advice)
