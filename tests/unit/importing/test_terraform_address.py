"""Test addresses of Terraform."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis_settings import check_examples

from reconciler.importing.terraform_address import (
    InstanceKey,
    ModuleStep,
    TerraformAddress,
    format_module,
    parse_module,
)

KEYS: st.SearchStrategy[InstanceKey] = st.none() | st.integers(0, 300) | st.text(max_size=8)
STEPS = st.builds(ModuleStep, st.from_regex(r"[a-z_][a-z0-9_-]{0,5}", fullmatch=True), KEYS)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (TerraformAddress("fivetran_group", "sales"), "fivetran_group.sales"),
        (TerraformAddress("fivetran_group", "sales", 0), "fivetran_group.sales[0]"),
        (TerraformAddress("fivetran_group", "sales", "eu"), 'fivetran_group.sales["eu"]'),
        (TerraformAddress("fivetran_group", "sales", "0"), 'fivetran_group.sales["0"]'),
        (TerraformAddress("fivetran_group", "sales", 'a"b\\c'), 'fivetran_group.sales["a\\"b\\\\c"]'),
        (TerraformAddress("fivetran_group", "sales", "${a}\n"), 'fivetran_group.sales["$${a}\\n"]'),
        (
            TerraformAddress("fivetran_group", "sales", "x", (ModuleStep("eu"), ModuleStep("b", 1))),
            'module.eu.module.b[1].fivetran_group.sales["x"]',
        ),
        (TerraformAddress("fivetran_group", "sales", is_data=True), "data.fivetran_group.sales"),
    ],
)
def test_an_address_is_formatted_as_terraform_does(address: TerraformAddress, text: str) -> None:
    assert str(address) == text


def test_the_address_of_the_block_has_no_keys() -> None:
    address = TerraformAddress("fivetran_group", "sales", "x", (ModuleStep("eu", "a"), ModuleStep("b", 1)))
    assert str(address.resource) == "module.eu.module.b.fivetran_group.sales"
    assert [*address.list_parts()] == ["eu", "a", "b", "1", "sales", "x"]


@check_examples(st.lists(STEPS, max_size=4).map(tuple), few=60, many=2000)
def test_the_address_of_a_module_is_parsed_back(modules: tuple[ModuleStep, ...]) -> None:
    assert parse_module(format_module(modules)) == modules


@pytest.mark.parametrize(
    "text", ["module", "module.", "eu", "module.a[", 'module.a["x]', "module.a[x]", "module.a.b", "module.a "]
)
def test_a_text_that_is_no_module_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        parse_module(text)
