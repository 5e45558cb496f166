"""Test the `secrets` block of a project file."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import Reference
from reconciler.spec.allowed_sources import SecretRules, build_allowed_sources
from reconciler.spec.project import Project, read_project

SCHEMES = {name: (lambda reference: None) for name in ("env", "file", "vault")}


def load_project(directory: Path, block: str) -> Project:
    (directory / "r.yaml").write_text(f"version: 1\nspecs: [a.yaml]\n{block}\n")
    return read_project(directory / "r.yaml", directory)


def load_and_fail(directory: Path, block: str) -> Diagnostic:
    with pytest.raises(ReconcilerError) as raised:
        load_project(directory, block)
    [only] = raised.value.diagnostics
    return only


def test_without_a_block_everything_is_allowed_and_no_command_is_named(tmp_path: Path) -> None:
    rules = load_project(tmp_path, "").content.secrets
    assert rules == SecretRules()
    sources, findings = build_allowed_sources(rules, SCHEMES)
    assert (sources.allow, findings) == (None, [])


def test_a_block_is_read_with_the_spans_of_its_globs(tmp_path: Path) -> None:
    rules = load_project(
        tmp_path,
        'secrets:\n  allow: ["env:A_*", "file:./keys/*"]\n  commands: {op: [op, read, "a b"]}\n  timeout: 5',
    ).content.secrets
    assert rules.allow is not None
    assert str(rules.allow[1].span) == "r.yaml:4:22"
    assert rules.commands == {"op": ("op", "read", "a b")}
    assert rules.timeout == 5
    sources, findings = build_allowed_sources(rules, SCHEMES)
    assert findings == []
    assert sources.allows(Reference("file", "keys/x"))
    assert not sources.allows(Reference("env", "B"))


def test_an_empty_list_allows_nothing(tmp_path: Path) -> None:
    sources, _ = build_allowed_sources(
        load_project(tmp_path, "secrets: {allow: []}").content.secrets, SCHEMES
    )
    assert not sources.allows(Reference("env", "A"))


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ("secrets: {allow: env}", "3:18"),
        ("secrets: {allow: [5]}", "3:19"),
        ("secrets: {commands: [a]}", "3:21"),
        ("secrets: {commands: {op: op read}}", "3:26"),
        ("secrets: {commands: {op: []}}", "3:26"),
        ("secrets: {commands: {op: ['']}}", "3:26"),
        ("secrets: {commands: {op: [a, 5]}}", "3:30"),
        ("secrets: {commands: {'a b': [a]}}", "3:22"),
        ("secrets: {timeout: 0}", "3:20"),
        ("secrets: {timeout: 601}", "3:20"),
        ("secrets: {timeout: 1.5}", "3:20"),
        ("secrets: []", "3:10"),
    ],
)
def test_another_shape_is_an_error_at_its_span(block: str, place: str, tmp_path: Path) -> None:
    found = load_and_fail(tmp_path, block)
    assert (found.code, str(found.span)) == ("wrong-shape", f"r.yaml:{place}")
    assert found.help


def test_an_unknown_key_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    assert load_and_fail(tmp_path, "secrets: {alow: []}").help == "did you mean `allow`?"


@pytest.mark.parametrize(
    ("glob", "advice"),
    [
        ("vualt:A_*", "did you mean `vault`?"),
        ("*", "write for example `env:MARKETING_*`"),
        ("env:", "did you mean `env`?"),
        ("A_*", "write for example `env:MARKETING_*`"),
    ],
)
def test_a_glob_that_covers_nothing_is_an_error_at_its_span(glob: str, advice: str, tmp_path: Path) -> None:
    rules = load_project(tmp_path, f'secrets: {{allow: ["env:X", "{glob}"]}}').content.secrets
    [found] = build_allowed_sources(rules, SCHEMES)[1]
    assert (found.code, str(found.span), found.help) == ("bad-allow", "r.yaml:3:28", advice)
