"""Every case of the pages beside this file."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from case_files import Case, read_cases
from cli_harness import EmulatedFivetran, Project, build_credentials, serve_fivetran
from codes_tested_elsewhere import CODES_TESTED_ELSEWHERE
from jsonschema import Draft202012Validator
from secret_leak_detector import allow_values

from reconciler.emulator.seed import Seed
from reconciler.model.codes import load_codes
from reconciler.model.diagnostic import ReconcilerError
from reconciler.operations.schema import build_schema
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

CASES = read_cases()
ROOT = Path(__file__).parents[2]


@contextmanager
def running(account: bytes | None) -> Iterator[EmulatedFivetran | None]:
    """A Fivetran with what a case says about it; none where it says nothing."""
    if account is None:
        yield None
        return
    with serve_fivetran() as server:
        server.app.load_seed(Seed.model_validate(to_plain(parse(account.decode(), "account.yaml"))))
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, project: Project) -> None:
    write(case, project.folder)
    allow_values(*(value for value in list_public_values(case) if value in case.expected))
    with running(case.account) as server:
        environ = {**(build_credentials(server.url) if server else {}), **case.environ}
        result = project.run(*case.arguments, environ=environ)
        assert (server.writes if server else []) == []
    between = "\n" if case.exit == 0 and case.expected else ""  # an empty line, before the result
    assert result.stderr == case.expected + between
    assert result.exit == case.exit
    assert result.stdout == "" or case.exit == 0


def list_public_values(case: Case) -> list[str]:
    """The values of variables that the specs of a case refer to by `{value: …}`."""
    names = re.findall(rb'\{value: "env:(\w+)"\}', b"".join(case.files.values()))
    return [case.environ[name.decode()] for name in names if name.decode() in case.environ]


def write(case: Case, folder: Path) -> None:
    """The files of a case, in a folder that has nothing but them."""
    (folder / "specs/reconciler.yaml").unlink(missing_ok=True)
    for name, data in case.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


@cache
def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(build_schema(kind))


def fits(name: str, data: bytes) -> bool | None:
    """Whether a file fits its schema; None where there is no data to compare."""
    try:
        content: Any = to_plain(parse(data.decode(), name))
    except (ReconcilerError, UnicodeDecodeError):
        return None
    return validator("project" if name.endswith("reconciler.yaml") else "spec").is_valid(content)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_schema_for_editors_refuses_what_the_case_says(case: Case) -> None:
    answers = {name: fits(name, data) for name, data in case.files.items() if name.endswith(".yaml")}
    assert case.schema_rejects == (False in answers.values()), answers


def test_there_are_enough_cases_and_each_is_there_once() -> None:
    wrong = [case for case in CASES if "error[" in case.expected]
    assert len(wrong) >= 150
    assert [title for title, times in Counter(case.id for case in CASES).items() if times > 1] == []
    inputs = Counter(
        json.dumps([repr(case.files), repr(case.account), case.environ, case.arguments]) for case in CASES
    )
    assert max(inputs.values()) == 1


def test_every_code_occurs_in_a_case_or_is_tested_elsewhere() -> None:
    in_cases = {code for case in CASES for code in case.codes}
    assert in_cases - set(load_codes()) == set()
    assert in_cases & set(CODES_TESTED_ELSEWHERE) == set()
    assert set(load_codes()) - in_cases == set(CODES_TESTED_ELSEWHERE)


@pytest.mark.parametrize("code", sorted(CODES_TESTED_ELSEWHERE))
def test_the_test_elsewhere_exists_and_is_about_the_code(code: str) -> None:
    file, _, name = CODES_TESTED_ELSEWHERE[code].partition("::")
    source = (ROOT / file).read_text(encoding="utf-8")
    tests = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    assert len(tests) == 1
    assert name.startswith("test_")
    assert code in source
