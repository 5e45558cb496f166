"""Cases of the Markdown pages beside this file."""

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
def serve_account(account: bytes | None) -> Iterator[EmulatedFivetran | None]:
    """Serve the account of a case; yield None for a case without an account."""
    if account is None:
        yield None
        return
    with serve_fivetran() as server:
        server.app.load_seed(Seed.model_validate(to_plain(parse(account.decode(), "account.yaml"))))
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_produces_its_expected_output(case: Case, project: Project) -> None:
    write_case(case, project.folder)
    allow_values(*(value for value in list_public_values(case) if value in case.expected))
    with serve_account(case.account) as server:
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


def write_case(case: Case, folder: Path) -> None:
    """Write the files of a case, and no other files, into a folder."""
    (folder / "specs/reconciler.yaml").unlink(missing_ok=True)
    for name, data in case.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


@cache
def build_validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(build_schema(kind))


def matches_schema(name: str, data: bytes) -> bool | None:
    """Check a file against its schema; return None for unreadable files."""
    try:
        content: Any = to_plain(parse(data.decode(), name))
    except (ReconcilerError, UnicodeDecodeError):
        return None
    return build_validator("project" if name.endswith("reconciler.yaml") else "spec").is_valid(content)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_editor_schema_refuses_the_case_as_expected(case: Case) -> None:
    answers = {
        name: matches_schema(name, data) for name, data in case.files.items() if name.endswith(".yaml")
    }
    assert case.schema_rejects == (False in answers.values()), answers


def test_cases_are_numerous_and_unique() -> None:
    wrong = [case for case in CASES if "error[" in case.expected]
    assert len(wrong) >= 150
    assert [title for title, times in Counter(case.id for case in CASES).items() if times > 1] == []
    inputs = Counter(
        json.dumps([repr(case.files), repr(case.account), case.environ, case.arguments]) for case in CASES
    )
    assert max(inputs.values()) == 1


def test_every_code_has_a_case_or_a_test_elsewhere() -> None:
    in_cases = {code for case in CASES for code in case.codes}
    assert in_cases - set(load_codes()) == set()
    assert in_cases & set(CODES_TESTED_ELSEWHERE) == set()
    assert set(load_codes()) - in_cases == set(CODES_TESTED_ELSEWHERE)


@pytest.mark.parametrize("code", sorted(CODES_TESTED_ELSEWHERE))
def test_the_test_elsewhere_exists_and_mentions_the_code(code: str) -> None:
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
