"""Test the template of references."""

from __future__ import annotations

from itertools import islice

import pytest

from reconciler.importing.secret_template import parse_template
from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.new_entry import Verbatim


@pytest.mark.parametrize(
    ("template", "reference"),
    [
        ("env:{KEY}_{FIELD}", "env:SALES_EU_PASSWORD"),
        ("env:{key}_{FIELD}", "env:sales_eu_PASSWORD"),
        ("vault:kv/fivetran/{key}#{field}", "vault:kv/fivetran/sales_eu#password"),
        ("aws:fivetran/{key}#{field}", "aws:fivetran/sales_eu#password"),
        ("file:secrets.json#{key}_{field}", "file:secrets.json#sales_eu_password"),
        ("command:pass#{key}_{field}", "command:pass#sales_eu_password"),
        ("env:${STAGE}_{KEY}_{FIELD}", "env:${STAGE}_SALES_EU_PASSWORD"),
        ("env:{KEY}_{KEY}_{FIELD}", "env:SALES_EU_SALES_EU_PASSWORD"),
    ],
)
def test_a_template_gives_a_reference(template: str, reference: str) -> None:
    filled = parse_template(template).fill("sales_eu", "password")
    assert filled == reference
    assert isinstance(filled, Verbatim)


def test_a_name_of_a_field_becomes_part_of_a_name() -> None:
    assert parse_template("vault:kv/{key}#{field}").fill("a", "odd.name#x y") == "vault:kv/a#odd_name_x_y"


@pytest.mark.parametrize("key", ["fivetran", "fivetran_internal", "reconciler_demo"])
def test_a_variable_never_has_a_name_of_this_program(key: str) -> None:
    assert parse_template("env:{KEY}_{FIELD}").fill(key, "password") == f"env:GROUP_{key.upper()}_PASSWORD"
    assert parse_template("vault:kv/{key}#{field}").fill(key, "password") == f"vault:kv/{key}#password"


def test_further_candidates_have_numbers() -> None:
    candidates = islice(parse_template("env:{KEY}_{FIELD}").list_candidates("a", "b"), 3)
    assert list(candidates) == ["env:A_B", "env:A_B_2", "env:A_B_3"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", "the template is empty"),
        (" ", "the template is empty"),
        ("env:{KEY", "`{` is not closed"),
        ("env:{KEY}_{FIELD", "`{` is not closed"),
        ("env:{KEY}_FIELD}", "`}` has no `{` before it"),
        ("env:PASSWORD", "`{key}` is missing, so that two entries would share a secret"),
        ("env:{FIELD}", "`{key}` is missing, so that two entries would share a secret"),
        ("env:{KEY}", "`{field}` is missing, so that two fields of one entry would share a secret"),
        ("env:${KEY}_{FIELD}", "`{key}` is missing, so that two entries would share a secret"),
        ("env:{Key}_{FIELD}", "`{Key}` is no placeholder"),
        ("env:{KEY}_{FIELD}_{}", "`{}` is no placeholder"),
        ("env:{KEY}_{group}_{FIELD}", "`{group}` is no placeholder"),
        ("{KEY}_{FIELD}", "a reference has the form `scheme:locator` or `scheme:locator#part`"),
        ("${SCHEME}:{KEY}_{FIELD}", "this names no known source of values"),
        ("evn:{KEY}_{FIELD}", "this names no known source of values"),
        ("vault:{key}_{field}#", "something is missing before or after the `#` of this reference"),
        ("env:{KEY}-{FIELD}", "the name of an environment variable has letters, digits and underscores only"),
        ("env:FIVETRAN_{KEY}_{FIELD}", "specs cannot read this program's own credentials and settings"),
        (
            "esm:{key}_{field}",
            "`esm:` is for values that Fivetran itself fetches, and it fetches none of these",
        ),
    ],
)
def test_a_bad_template_is_one_error(template: str, problem: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        parse_template(template)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("wrong-usage", f"the template of secrets: {problem}")
    assert diagnostic.help


def test_the_advice_names_the_nearest_placeholder() -> None:
    with pytest.raises(ReconcilerError) as caught:
        parse_template("env:{KEY}_{FEILD}")
    assert caught.value.diagnostics[0].help == "did you mean `{FIELD}`?"
