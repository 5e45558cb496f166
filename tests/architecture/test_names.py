"""Check that former names of classes, functions and modules do not return."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import reconciler

PACKAGE = Path(reconciler.__file__).parent
SUPPORT = Path(__file__).parents[1] / "support"

FORMER = {
    kind: frozenset(names.split())
    for kind, names in tomllib.loads(Path(__file__).with_name("former_names.toml").read_text()).items()
}


def _list_sources() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *SUPPORT.rglob("*.py")])


def _collect_definitions(source: Path, kinds: tuple[type[ast.AST], ...]) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, kinds):
            yield node.name.lstrip("_")  # type: ignore[attr-defined]


def _find_former(kinds: tuple[type[ast.AST], ...], former: frozenset[str]) -> dict[str, list[str]]:
    """Find definitions of former names by file."""
    found = {
        str(source): sorted(former.intersection(_collect_definitions(source, kinds)))
        for source in _list_sources()
    }
    return {file: names for file, names in found.items() if names}


def test_former_class_names_are_absent() -> None:
    assert _find_former((ast.ClassDef,), FORMER["classes"]) == {}


def test_former_function_names_are_absent() -> None:
    assert _find_former((ast.FunctionDef, ast.AsyncFunctionDef), FORMER["functions"]) == {}


def test_former_module_names_are_absent() -> None:
    assert [str(source) for source in _list_sources() if source.stem in FORMER["modules"]] == []


def test_a_former_name_is_found(tmp_path: Path) -> None:
    source = tmp_path / "shelf.py"
    source.write_text("class _Courier:\n    def told(self) -> None: ...\n")
    assert set(_collect_definitions(source, (ast.ClassDef, ast.FunctionDef))) == {"Courier", "told"}
    assert (
        FORMER["classes"] & {"Courier"}
        and FORMER["functions"] & {"told"}
        and source.stem in FORMER["modules"]
    )
