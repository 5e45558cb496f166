"""Test the reading of Terraform states: both forms, foreign and damaged documents, and the uses of ids."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from terraform_states import FOLDER, SECRETS, make_pair, make_resource, make_state, parse_state, read_state

from reconciler.importing.terraform_state import parse_terraform, read_terraform
from reconciler.model.diagnostic import ReconcilerError


def refuse(data: bytes) -> tuple[str, str, str]:
    """Parse a document that is refused. Returns code, message and advice of the only error."""
    with pytest.raises(ReconcilerError) as caught:
        parse_terraform(data, "copy.tfstate")
    [finding] = caught.value.diagnostics
    return finding.code, finding.message, finding.help


def list_ids(data: bytes) -> dict[str, str]:
    """List the group ids of a document by address."""
    return {str(item.address): item.group_id for item in parse_terraform(data, "state").objects}


def test_a_recorded_state_has_every_instance_with_its_id() -> None:
    assert list_ids((FOLDER / "state.json").read_bytes()) == {
        'fivetran_destination.sales["de"]': "gentle_ivory",
        'fivetran_destination.sales["fr"]': "tranquil_mulberry",
        'fivetran_destination.sales["nord & süd"]': "fathom_pastel",
        "fivetran_destination.shard[0]": "patient_rambling",
        "fivetran_destination.shard[1]": "pumpkin_island",
        "fivetran_destination.shard[2]": "cotton_inkwell",
        "fivetran_destination.warehouse": "courier_timber",
        'fivetran_group.sales["de"]': "gentle_ivory",
        'fivetran_group.sales["fr"]': "tranquil_mulberry",
        'fivetran_group.sales["nord & süd"]': "fathom_pastel",
        "fivetran_group.shard[0]": "patient_rambling",
        "fivetran_group.shard[1]": "pumpkin_island",
        "fivetran_group.shard[2]": "cotton_inkwell",
        "fivetran_group.warehouse": "courier_timber",
        'module.region["eu"].fivetran_destination.this': "mirror_sparrow",
        'module.region["eu"].fivetran_group.this': "mirror_sparrow",
        'module.region["us"].fivetran_destination.this': "arrow_robust",
        'module.region["us"].fivetran_group.this': "arrow_robust",
    }


def test_both_forms_of_a_state_have_the_same_facts() -> None:
    assert replace(read_state("show.json"), shown="state.json") == read_state("state.json")


def test_the_form_of_terraform_0_12_is_read() -> None:
    shown = json.loads((FOLDER / "show.json").read_text())
    assert list_ids(json.dumps({**shown, "format_version": "0.1"}).encode()) == list_ids(
        (FOLDER / "state.json").read_bytes()
    )


def test_uses_of_ids_are_found_in_attributes_texts_and_outputs() -> None:
    uses = {use.address: {name: set(ids) for name, ids in use.uses.items()} for use in read_state().uses}
    assert uses == {
        "data.fivetran_group.warehouse": {"id": {"courier_timber"}},
        "fivetran_connector.shop": {"group_id": {"courier_timber"}},
        "fivetran_group_users.warehouse": {"group_id": {"courier_timber"}},
        "fivetran_user_group_membership.bob": {"group": {"gentle_ivory"}},
        "fivetran_webhook.de": {"group_id": {"gentle_ivory"}},
        "terraform_data.policy": {"input": {"mirror_sparrow"}, "output": {"mirror_sparrow"}},
        "output.regions": {"value": {"mirror_sparrow", "arrow_robust"}},
        "output.warehouse_id": {"value": {"courier_timber"}},
    }


def test_an_explicit_dependency_is_a_use() -> None:
    [shop] = [use for use in read_state().uses if use.address == "fivetran_connector.shop"]
    assert [str(address) for address in shop.depends_on] == [
        "fivetran_destination.warehouse",
        "fivetran_group.warehouse",
    ]


def test_an_indirect_dependency_is_no_use() -> None:
    others = [
        make_resource("connector", "shop", {None: "c1"}, dependencies=["fivetran_group.sales"]),
        make_resource(
            "connector_schedule",
            "shop",
            {None: "c1"},
            dependencies=["fivetran_connector.shop", "fivetran_group.sales"],
        ),
    ]
    state = parse_state([*make_pair("sales", {None: "g1"}), *others])
    assert [use.address for use in state.uses] == ["fivetran_connector.shop"]


def make_other(attributes: dict[str, Any], mode: str = "managed", module: str = "") -> dict[str, Any]:
    """Make another resource with these attributes."""
    other = {**make_resource("other", "x", {None: "o1"}, module), "mode": mode}
    other["instances"][0]["attributes"] = attributes
    return other


def find_uses(*others: dict[str, Any]) -> dict[str, list[str]]:
    """Find the attributes with ids by address, in a state with one group."""
    state = parse_state([*make_pair("sales", {None: "g1"}), *others])
    return {use.address: sorted(use.uses) for use in state.uses}


def test_an_id_is_found_at_any_depth_and_as_a_key() -> None:
    deep: Any = "g1"
    for _ in range(400):
        deep = [{"x": deep}]
    attributes = {"roles": {"g1": "admin"}, "deep": deep, "near": "g12", "policy": '{"id":"g1"}'}
    assert find_uses(make_other(attributes)) == {"fivetran_other.x": ["deep", "policy", "roles"]}


def test_a_data_source_that_lists_groups_is_no_use() -> None:
    attributes = {"id": "0", "groups": [{"id": "g1"}], "ids": ["g1"]}
    assert find_uses(make_other(attributes, mode="data")) == {}


def test_a_data_source_does_not_occupy_its_module() -> None:
    resources = make_pair("sales", {None: "g1"}, "module.a")
    data, managed = (make_other({}, mode, "module.a.module.b") for mode in ("data", "managed"))
    assert parse_state([*resources, data]).other_modules == frozenset()
    assert parse_state([*resources, managed]).other_modules == {"module.a", "module.a.module.b"}


def test_no_attribute_of_a_state_is_kept() -> None:
    for name in ("state.json", "show.json"):
        facts = repr(read_state(name))
        assert [secret for secret in SECRETS if secret in facts] == []


@pytest.mark.parametrize(
    "provider",
    [
        'provider["registry.terraform.io/fivetran/fivetran"].second',
        'module.eu.provider["registry.terraform.io/fivetran/fivetran"]',
        'provider["mirror.acme.example/fivetran/fivetran"]',
        'provider["registry.terraform.io/-/fivetran"]',
        "provider.fivetran",
    ],
)
def test_the_provider_is_known_by_its_source(provider: str) -> None:
    assert parse_state([make_resource("group", "a", {None: "g1"}, provider=provider)]).groups.keys() == {"g1"}


def test_a_state_of_opentofu_is_released_by_opentofu() -> None:
    provider = 'provider["registry.opentofu.org/fivetran/fivetran"]'
    state = parse_state([make_resource("group", "a", {None: "g1"}, provider=provider)])
    assert (state.program, read_state().program) == ("tofu", "terraform")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_state_in_the_encodings_of_powershell_is_read(encoding: str) -> None:
    text = make_state(make_pair("sales", {"süd": "g1"})).decode()
    assert list_ids(text.encode(encoding))['fivetran_group.sales["süd"]'] == "g1"


def test_a_tainted_object_counts_as_managed() -> None:
    assert parse_state(make_pair("sales", {None: "g1"}, status="tainted")).groups.keys() == {"g1"}


@pytest.mark.parametrize(
    ("attributes", "keys"),
    [
        ({}, {}),
        ({"run_setup_tests": True, "trust_certificates": False, "trust_fingerprints": None}, {}),
        ({"run_setup_tests": False}, {"setup_tests": {"run": False}}),
        ({"run_setup_tests": "false"}, {"setup_tests": {"run": False}}),
        ({"trust_certificates": True}, {"trust": {"certificates": "any"}}),
        (
            {"trust_certificates": "true", "trust_fingerprints": True},
            {"trust": {"certificates": "any", "fingerprints": "any"}},
        ),
        ({"trust_certificates": 1, "run_setup_tests": 0}, {}),
    ],
)
def test_options_that_only_terraform_knows_are_read(attributes: dict[str, Any], keys: dict[str, Any]) -> None:
    pair = make_pair("sales", {None: "g1"})
    pair[0]["instances"][0]["attributes"].update(attributes)
    options = parse_state(pair).get_options("g1")
    assert options is not None
    assert options.list_keys() == keys


def test_a_group_alone_has_no_options() -> None:
    state = parse_state([make_resource("group", "a", {None: "g1"})])
    assert (state.get_options("g1"), state.get_options("other")) == (None, None)


def refuse_resources(*resources: dict[str, Any]) -> tuple[str, str, str]:
    return refuse(make_state(resources))


def test_a_state_without_groups_has_nothing_to_import() -> None:
    code, message, _ = refuse_resources(make_resource("user", "ada", {None: "u1"}))
    assert code == "terraform-nothing-managed"
    assert message == "the state in `copy.tfstate` has no `fivetran_group` and no `fivetran_destination`"


def test_an_empty_state_has_nothing_to_import() -> None:
    assert refuse(make_state([]))[0] == "terraform-nothing-managed"
    assert refuse(b'{"format_version": "1.0"}')[0] == "terraform-nothing-managed"


def test_a_data_source_is_not_managed() -> None:
    data = {**make_resource("group", "a", {None: "g1"}), "mode": "data"}
    assert refuse_resources(data)[0] == "terraform-nothing-managed"


def test_another_provider_is_named() -> None:
    foreign = make_resource(
        "group", "a", {None: "g1"}, provider='provider["registry.terraform.io/acme/fivetran"]'
    )
    with pytest.raises(ReconcilerError) as caught:
        parse_state([foreign])
    [finding] = caught.value.diagnostics
    assert finding.code == "terraform-nothing-managed"
    assert finding.notes == ("the provider `registry.terraform.io/acme/fivetran` is not `fivetran/fivetran`",)


def test_an_id_at_two_addresses_is_an_error_with_both() -> None:
    code, message, _ = refuse_resources(
        *make_pair("sales", {"eu": "g1"}), make_resource("group", "old", {None: "g1"})
    )
    assert code == "terraform-id-twice"
    assert message == (
        'the group `g1` has 2 addresses in `copy.tfstate`: `fivetran_group.old`, `fivetran_group.sales["eu"]`'
    )


def test_a_replacement_that_is_not_finished_is_an_error() -> None:
    pair = make_pair("sales", {None: "g1"})
    pair[0]["instances"].append({**pair[0]["instances"][0], "deposed": "0a1b2c3d"})
    code, message, advice = refuse_resources(*pair)
    assert code == "terraform-state-unusable"
    assert "`fivetran_destination.sales` has an object that a replacement has left over" in message
    assert "terraform apply" in advice


def test_an_object_without_an_id_is_an_error() -> None:
    group = make_resource("group", "sales", {None: "g1"})
    group["instances"][0]["attributes"] = {"id": None}
    assert "`fivetran_group.sales` has no id" in refuse_resources(group)[1]


STATE = make_state(make_pair("sales", {None: "g1"}))
BACKEND = {"version": 3, "serial": 1, "backend": {"type": "s3", "config": {"secret_key": "in-clear"}}}
ENCRYPTED = {"serial": 1, "encrypted_data": "aGVsbG8=", "encryption_version": "v0"}


@pytest.mark.parametrize(
    ("data", "problem", "advice"),
    [
        (b"", "is empty", "terraform state pull"),
        (b" \n", "is empty", "terraform state pull"),
        (STATE[:-20], "is no JSON: line 1", "terraform state pull"),
        (b"PK\x03\x04\xff\xfe\x00", "is no JSON", "terraform state pull"),
        (b'resource "fivetran_group" "a" {}', "is no JSON: line 1, column 1", "terraform state pull"),
        (b"[" * 100_000, "is no JSON", "terraform state pull"),
        (b"[]", "is no JSON object", "terraform state pull"),
        (b"{}", "is JSON, but no state", "terraform state pull"),
        (b'{"version": 4}', "is JSON, but no state", "terraform state pull"),
        (b'{"version": true, "serial": 1}', "is JSON, but no state", "terraform state pull"),
        (b'{"version": 3, "serial": 1, "modules": []}', "a state of format 3", "upgrade Terraform"),
        (b'{"version": 5, "serial": 1, "resources": []}', "a state of format 5", "terraform show -json"),
        (json.dumps(BACKEND).encode(), "only names the backend", "terraform state pull"),
        (json.dumps(ENCRYPTED).encode(), "is encrypted", "tofu show -json"),
        (b'{"format_version": "1.2", "planned_values": {}}', "is a plan", "terraform show -json"),
        (b'{"format_version": "2.0", "values": {}}', "a format of", "terraform state pull"),
        (b'{"format_version": "1.0", "provider_schemas": {}}', "not that of", "terraform show -json"),
        (STATE.replace(b'"instances": [', b'"instances": [7, '), "`resources.0.instances.0` has", "show"),
        (STATE.replace(b'"name": "sales"', b'"name": "a b\\u202e"'), "`resources.0.name` has", "show"),
        (STATE.replace(b'"mode"', b'"module": "eu", "mode"'), "`resources.0.module` has", "show"),
        (STATE.replace(b'"mode"', b'"module": 7, "mode"'), "`resources.0.module` has", "show"),
    ],
    ids=range(21),
)
def test_another_document_is_one_error_with_advice(data: bytes, problem: str, advice: str) -> None:
    code, message, given_advice = refuse(data)
    assert code == "terraform-state-unusable"
    assert message.startswith("`copy.tfstate` ")
    assert problem in message
    assert advice in given_advice
    assert "in-clear" not in message + given_advice


def test_every_truncated_state_is_an_error() -> None:
    for length in range(0, len(STATE) - 1, 7):
        assert refuse(STATE[:length])[0] == "terraform-state-unusable"


def test_a_file_with_a_byte_order_mark_alone_is_an_error() -> None:
    assert refuse(codecs.BOM_UTF8)[0] == "terraform-state-unusable"


def refuse_file(file: Path) -> str:
    with pytest.raises(ReconcilerError) as caught:
        read_terraform(str(file))
    [finding] = caught.value.diagnostics
    assert finding.code == "file-unreadable"
    assert "terraform state pull" in finding.help
    return finding.message


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert refuse_file(tmp_path / "none").endswith("no such file or directory")
    assert refuse_file(tmp_path).endswith("it is a folder")
    assert refuse_file(Path("/dev/zero")).endswith("it is not a regular file")


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "copy.tfstate"
    file.write_bytes(STATE)
    assert read_terraform(str(file)).groups.keys() == {"g1"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def list_places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the paths of all values of a document."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield from list_places(member, (*path, key))


def replace_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Replace the value at a path."""
    if not path:
        return new
    changed = copy(value)
    changed[path[0]] = replace_value(value[path[0]], path[1:], new)
    return changed


@check_examples(st.sampled_from(["state.json", "show.json"]), st.integers(0), JSON_VALUES, few=60, many=1_200)
def test_every_altered_state_is_read_or_refused(name: str, number: int, new: Any) -> None:
    document = json.loads((FOLDER / name).read_text())
    places = [*list_places(document)]
    altered = replace_value(document, places[number % len(places)], new)
    try:
        parse_terraform(json.dumps(altered).encode(), name)
    except ReconcilerError as error:
        assert [secret for secret in SECRETS if secret in str(error)] == []
