"""Check that no two classes have the same name or the same fields."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest

import reconciler

PACKAGE = Path(reconciler.__file__).parent
EMULATOR = PACKAGE / "emulator"
SIDES = ("client", "emulator")
MAX_EQUAL_FIELDS = 4
"""Number of equal fields that two types may share by chance."""


class Definition(NamedTuple):
    """Class with its declared fields: annotations by name, as written."""

    name: str
    module: str
    fields: Mapping[str, str]


def parse_classes(source: Path) -> list[Definition]:
    """Parse the classes of a module, including nested classes. Class variables are no fields."""
    module = str(source.relative_to(source.parents[1] if source.parent != PACKAGE else PACKAGE))
    return [
        Definition(node.name.lstrip("_"), module, _parse_fields(node))
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ClassDef)
    ]


def _parse_fields(node: ast.ClassDef) -> dict[str, str]:
    return {
        statement.target.id: ast.unparse(statement.annotation)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and not ast.unparse(statement.annotation).startswith("ClassVar")
    }


def list_classes(side: str) -> list[Definition]:
    """List the classes of the client or of the emulator."""
    sources = sorted(PACKAGE.rglob("*.py"))
    chosen = [each for each in sources if each.is_relative_to(EMULATOR) == (side == "emulator")]
    return [definition for source in chosen for definition in parse_classes(source)]


def find_namesakes(classes: Iterable[Definition]) -> dict[str, list[str]]:
    """Find names of several classes, with the modules of these classes."""
    modules: dict[str, list[str]] = defaultdict(list)
    for each in classes:
        modules[each.name].append(each.module)
    return {name: found for name, found in modules.items() if len(found) > 1}


def find_twins(classes: Iterable[Definition]) -> list[str]:
    """Find pairs of types with too many equal fields."""
    return [
        f"{one.module} {one.name}, {other.module} {other.name}: {len(shared)} equal fields"
        for one, other in combinations([each for each in classes if each.fields], 2)
        if len(shared := one.fields.items() & other.fields.items()) > MAX_EQUAL_FIELDS
    ]


@pytest.mark.parametrize("side", SIDES)
def test_every_class_name_is_unique(side: str) -> None:
    assert find_namesakes(list_classes(side)) == {}


@pytest.mark.parametrize("side", SIDES)
def test_no_two_types_have_five_equal_fields(side: str) -> None:
    assert find_twins(list_classes(side)) == []


def test_twins_and_namesakes_are_found(tmp_path: Path) -> None:
    fields = [f"    {name}: int" for name in "abcde"]
    (tmp_path / "one.py").write_text("\n".join(["class Row:", *fields, "    kept: str"]))
    (tmp_path / "other.py").write_text("\n".join(["class _Row:", *fields, "    kept: bytes"]))
    (tmp_path / "part.py").write_text("\n".join(["class Part:", *fields[1:], "    e: str"]))
    classes = [each for file in ("one", "other", "part") for each in parse_classes(tmp_path / f"{file}.py")]
    assert list(find_namesakes(classes)) == ["Row"]
    assert [twin.rpartition(": ")[2] for twin in find_twins(classes)] == ["5 equal fields"]
