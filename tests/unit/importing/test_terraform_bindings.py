"""Test the keys that addresses of Terraform become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from terraform_states import make_pair, make_resource, parse_state, read_state

from reconciler.importing.terraform_bindings import bind_addresses
from reconciler.importing.terraform_state import TerraformState
from reconciler.model.diagnostic import ReconcilerError


def bind(state: TerraformState) -> Mapping[str, str]:
    """Bind a state to an account that has all its groups. Returns keys by group id."""
    bindings = bind_addresses(state, state.groups)
    assert bindings.findings == ()
    return bindings.keys


def test_addresses_of_a_recorded_state_become_keys() -> None:
    assert bind(read_state()) == {
        "courier_timber": "warehouse",
        "gentle_ivory": "sales_de",
        "tranquil_mulberry": "sales_fr",
        "fathom_pastel": "sales_nord_and_sued",
        "patient_rambling": "shard_0",
        "pumpkin_island": "shard_1",
        "cotton_inkwell": "shard_2",
        "mirror_sparrow": "region_eu_this",
        "arrow_robust": "region_us_this",
    }


def test_the_destination_gives_the_key_of_a_pair() -> None:
    resources = [make_resource("group", "a", {None: "g1"}), make_resource("destination", "b", {None: "g1"})]
    assert bind(parse_state(resources)) == {"g1": "b"}


def test_a_group_alone_gives_the_key() -> None:
    assert bind(parse_state([make_resource("group", "a", {None: "g1"})])) == {"g1": "a"}


def test_keys_in_nested_modules_have_all_parts() -> None:
    state = parse_state(make_pair("Sales", {"x": "g1"}, 'module.a["EU 1"].module.b[0]'))
    assert bind(state) == {"g1": "a_eu_1_b_0_sales_x"}


@pytest.mark.parametrize(("name", "key"), [("_1a", "group_1a"), ("true", "group_true"), ("__", "group")])
def test_a_name_that_is_no_key_is_changed(name: str, key: str) -> None:
    assert bind(parse_state(make_pair(name, {None: "g1"}))) == {"g1": key}


def with_service(pair: list[dict[str, Any]], service: str) -> list[dict[str, Any]]:
    """Give the destinations of a pair a service."""
    for instance in pair[0]["instances"]:
        instance["attributes"]["service"] = service
    return pair


def test_the_destination_gives_the_key_from_another_module_too() -> None:
    resources = [
        make_resource("group", "a", {None: "g1"}, "module.a"),
        make_resource("destination", "b", {None: "g1"}, "module.b"),
    ]
    assert bind(parse_state(resources)) == {"g1": "b_b"}


def test_one_key_of_two_addresses_gets_the_services() -> None:
    state = parse_state(
        [
            *with_service(make_pair("sales", {"eu": "g1"}), "snowflake"),
            *with_service(make_pair("sales_eu", {None: "g2"}), "big_query"),
        ]
    )
    assert bind(state) == {"g1": "sales_eu_snowflake", "g2": "sales_eu_big_query"}


@pytest.mark.parametrize("service", ["snowflake", ""])
def test_one_key_of_two_addresses_of_a_service_gets_the_ids(service: str) -> None:
    state = parse_state(with_service(make_pair("sales", {"eu-1": "g1", "eu_1": "g2"}), service))
    assert bind(state) == {"g1": "sales_eu_1_g1", "g2": "sales_eu_1_g2"}


def test_a_suffix_never_makes_another_key_twice() -> None:
    state = parse_state(
        [
            *with_service(make_pair("sales", {"eu": "g1"}), "snowflake"),
            *with_service(make_pair("sales_eu", {None: "g2"}), "big_query"),
            *make_pair("sales_eu_snowflake", {None: "g3"}),
            *make_pair("sales_eu_g1", {None: "g4"}),
        ]
    )
    assert bind(state) == {
        "g1": "sales_eu_g1_2",
        "g2": "sales_eu_big_query",
        "g3": "sales_eu_snowflake",
        "g4": "sales_eu_g1",
    }


def test_the_keys_of_a_part_are_those_of_the_whole() -> None:
    state = parse_state(make_pair("sales", {"eu-1": "g1", "eu_1": "g2"}))
    assert bind_addresses(state, ["g1"]).keys == {"g1": "sales_eu_1_g1"}


def test_a_group_that_the_account_does_not_show_is_named_with_its_addresses() -> None:
    state = parse_state([*make_pair("a", {None: "g1"}), *make_pair("b", {None: "g2"})])
    bindings = bind_addresses(state, ["g1"])
    assert bindings.keys == {"g1": "a"}
    [finding] = bindings.findings
    assert finding.code == "terraform-id-missing"
    assert finding.message == (
        "the account does not show the group `g2` of `fivetran_destination.b`, `fivetran_group.b`"
    )


def test_the_state_of_another_account_is_one_error() -> None:
    state = parse_state([*make_pair("a", {None: "g1"}), *make_pair("b", {None: "g2"})])
    with pytest.raises(ReconcilerError) as caught:
        bind_addresses(state, ["g3"])
    [finding] = caught.value.diagnostics
    assert finding.message == "the account has none of the 2 groups in `terraform.tfstate`"
