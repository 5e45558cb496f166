"""What counts as a reference, and what was meant as one."""

from __future__ import annotations

import pytest

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.value import Reference
from reconciler.spec.reference import reference_of
from reconciler.spec.source import parse


def read_reference(written: str) -> Reference | Diagnostic | None:
    return reference_of(parse(f"a: {written}\n", "a.yaml").entries["a"].node)


def test_a_secret_is_confidential_and_a_value_is_not() -> None:
    assert read_reference('{secret: "env:DB_PASSWORD"}') == Reference("env", "DB_PASSWORD")
    assert read_reference('{value: "env:REGION"}') == Reference("env", "REGION", confidential=False)


def test_a_part_stands_behind_the_last_hash() -> None:
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
        "{secret: 'env:A-B'}",
        "{secret: 'env:${A}'}",
        "{secret: 'env:X#'}",
        "{secret: 'file:#x'}",
        "{secret: 5}",
        "{secret: null}",
        "{secret: [a]}",
        "{secret: 'vault:kv/x'}",
        "{secret: 'env:X', part: y}",
        "{secrets: 'env:X'}",
        "{Secret: 'env:X'}",
        "{vaule: 'file:x'}",
        "{secret: 'env:FIVETRAN_APISECRET'}",
        "{value: 'env:fivetran_apikey'}",
        "{value: 'env:RECONCILER_PROJECT'}",
    ],
)
def test_what_was_meant_as_a_reference_is_an_error_that_hides_the_value(written: str) -> None:
    found = read_reference(written)
    assert isinstance(found, Diagnostic)
    assert (found.code, found.secret) == ("bad-reference", True)
    assert found.help
    assert "hunter2" not in repr(found)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    found = read_reference("{secret: 'vault:kv/x'}")
    assert isinstance(found, Diagnostic)
    assert found.notes == ("known are `env`, `file`",)


def test_a_misspelt_scheme_is_suggested() -> None:
    found = read_reference("{secret: 'ENV:X'}")
    assert isinstance(found, Diagnostic)
    assert found.help == "did you mean `env`?"
