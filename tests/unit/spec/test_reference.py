"""Test which values are references, and which are malformed references."""

from __future__ import annotations

import pytest

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.value import Reference
from reconciler.spec.reference import AllowedSources, parse_reference
from reconciler.spec.source import parse


def validate_locator(reference: Reference) -> tuple[str, str] | None:
    """Refuse one bad locator."""
    return ("this name is bad", "choose a good one") if reference.locator == "bad" else None


SOURCES = AllowedSources({"env": validate_locator, "file": validate_locator, "vault": validate_locator})


def read_reference(written: str, *allow: str) -> Reference | Diagnostic | None:
    sources = AllowedSources(SOURCES.schemes, allow) if allow else SOURCES
    return parse_reference(parse(f"a: {written}\n", "a.yaml").entries["a"].node, sources)


def test_a_secret_is_confidential_and_a_value_is_not() -> None:
    assert read_reference('{secret: "env:DB_PASSWORD"}') == Reference("env", "DB_PASSWORD")
    assert read_reference('{value: "env:REGION"}') == Reference("env", "REGION", confidential=False)


def test_a_part_follows_the_last_hash() -> None:
    assert read_reference('{secret: "file:/run/s#1.json#key"}') == Reference("file", "/run/s#1.json", "key")


@pytest.mark.parametrize(
    "written", ["x", "1", "[a]", "{a: b}", "{}", "{name: n, value: v}", "{secret: {a: b}}"]
)
def test_other_values_are_no_references(written: str) -> None:
    assert read_reference(written) is None


@pytest.mark.parametrize(
    "written",
    [
        "{secret: hunter2}",
        "{secret: 'env:'}",
        "{secret: 'env:bad'}",
        "{secret: 'env:X#'}",
        "{secret: 'file:#x'}",
        "{secret: 5}",
        "{secret: null}",
        "{secret: [a]}",
        "{secret: 'dungeon:kv/x'}",
        "{secret: 'env:X', part: y}",
        "{secrets: 'env:X'}",
        "{Secret: 'env:X'}",
        "{vaule: 'file:x'}",
    ],
)
def test_a_malformed_reference_is_an_error_that_hides_the_value(written: str) -> None:
    found = read_reference(written)
    assert isinstance(found, Diagnostic)
    assert (found.code, found.secret) == ("bad-reference", True)
    assert found.help
    assert "hunter2" not in repr(found)


def test_an_unknown_scheme_is_an_error_with_the_known_schemes() -> None:
    found = read_reference("{secret: 'dungeon:kv/x'}")
    assert isinstance(found, Diagnostic)
    assert found.notes == ("known are `env`, `file`, `vault`",)


@pytest.mark.parametrize(("scheme", "meant"), [("ENV", "env"), ("vualt", "vault"), ("flie", "file")])
def test_a_misspelt_scheme_is_suggested(scheme: str, meant: str) -> None:
    found = read_reference(f"{{secret: '{scheme}:X'}}")
    assert isinstance(found, Diagnostic)
    assert found.help == f"did you mean `{meant}`?"


def test_the_rule_of_a_scheme_gives_message_and_help() -> None:
    found = read_reference("{secret: 'vault:bad'}")
    assert isinstance(found, Diagnostic)
    assert (found.message, found.help) == ("this name is bad", "choose a good one")


@pytest.mark.parametrize(
    ("written", "allow"),
    [
        ("env:MARKETING_X", "env:MARKETING_*"),
        ("env:MARKETING_X#part", "env:MARKETING_*"),
        ("env:DB#password", "env:DB"),
        ("env:DB#password", "env:DB#password"),
        ("file:/run/secrets/a/b", "file:/run/secrets/*"),
        ("file:./keys/a", "file:keys/*"),
    ],
)
def test_a_reference_that_a_glob_covers_is_allowed(written: str, allow: str) -> None:
    assert isinstance(read_reference(f"{{value: '{written}'}}", "vault:nothing", allow), Reference)


@pytest.mark.parametrize(
    ("written", "allow"),
    [
        ("env:SALES_X", "env:MARKETING_*"),
        ("env:marketing_x", "env:MARKETING_*"),
        ("file:/run/secrets/../../etc/shadow", "file:/run/secrets/*"),
        ("file:keys/../../x", "file:keys/*"),
        ("vault:env:MARKETING_X", "env:MARKETING_*"),
        ("env:DB#user", "env:DB#password"),
    ],
)
def test_a_reference_outside_of_all_globs_is_an_error_that_hides_the_reference(
    written: str, allow: str
) -> None:
    found = read_reference(f"{{secret: '{written}'}}", allow)
    assert isinstance(found, Diagnostic)
    assert (found.code, found.secret) == ("reference-not-allowed", True)


def test_an_empty_list_allows_nothing() -> None:
    node = parse("a: {secret: 'env:X'}\n", "a.yaml").entries["a"].node
    assert isinstance(parse_reference(node, AllowedSources(SOURCES.schemes, ())), Diagnostic)
