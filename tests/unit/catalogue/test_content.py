"""Check the shipped catalogue: rules that hold for every service and field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files

import pytest

from reconciler.catalogue.example import render_example
from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.catalogue.model import Field, FieldType, Service, ServiceStage
from reconciler.catalogue.normalize import is_mask, normalize_value
from reconciler.catalogue.secret_detection import is_secret_name

SERVICES = tuple(service for name in load_service_names() if (service := load_service(name)))
TABLES = [
    pytest.param(load_destination_facts().fields, id="destination"),
    *(pytest.param(service.fields, id=service.name) for service in SERVICES if service.fields),
]
each_table = pytest.mark.parametrize("fields", TABLES)
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def list_names(fields: Mapping[str, Field], wrong: Callable[[Field], bool]) -> list[str]:
    """List the fields that break a rule."""
    return [field.name for field in fields.values() if wrong(field)]


OF_A_MANAGED_LAKE = {
    "bucket",
    "container_name",
    "fivetran_role_arn",
    "lakehouse_guid",
    "one_lake_auth_type",
    "onelake_client_id",
    "onelake_tenant_id",
    "prefix_path",
    "region",
    "storage_account_name",
    "workspace_guid",
}
DOCUMENTED_IMMUTABLES = {
    "managed_data_lake": OF_A_MANAGED_LAKE,
    "databricks_via_managed_data_lake": OF_A_MANAGED_LAKE,
    "new_s3_datalake": {"bucket", "prefix_path", "table_format"},
    "adls": {"storage_account_name", "container_name", "prefix_path"},
    "onelake": {"storage_account_name", "lakehouse_guid", "workspace_guid", "prefix_path", "lakehouse_name"},
}


def test_there_are_42_services() -> None:
    assert len(load_service_names()) == 42 == len(SERVICES)


def test_exactly_the_33_documented_fields_are_immutable() -> None:
    found = {
        service.name: immutable
        for service in SERVICES
        if (immutable := {field.name for field in service.fields.values() if field.immutable})
    }
    assert found == DOCUMENTED_IMMUTABLES
    assert sum(map(len, found.values())) == 33


@each_table
def test_a_field_with_a_secret_name_is_sensitive_or_gives_a_reason(fields: Mapping[str, Field]) -> None:
    assert not list_names(
        fields, lambda it: is_secret_name(it.name) and it.sensitive == bool(it.not_secret_because)
    )
    assert not list_names(fields, lambda it: bool(it.not_secret_because) and not is_secret_name(it.name))


@each_table
def test_a_field_is_described_in_one_line(fields: Mapping[str, Field]) -> None:
    assert not list_names(fields, lambda it: re.fullmatch(r"[A-Z].*\.", it.description) is None)


@each_table
def test_a_default_is_already_in_normal_form(fields: Mapping[str, Field]) -> None:
    assert not list_names(fields, lambda it: normalize_value(it, it.default) != it.default)
    assert not list_names(fields, lambda it: bool(it.enum) and it.default not in (*it.enum, None))


@each_table
def test_an_example_is_a_value_that_the_field_can_have(fields: Mapping[str, Field]) -> None:
    types = {FieldType.INTEGER: int, FieldType.STRING: str, FieldType.STRINGS: list}
    shown = {name: field for name, field in fields.items() if field.example is not None}
    assert not list_names(shown, lambda it: it.sensitive or not isinstance(it.example, types[it.type]))


@each_table
def test_a_read_only_field_is_never_required(fields: Mapping[str, Field]) -> None:
    answers = {name: field for name, field in fields.items() if field.read_only}
    assert not list_names(answers, lambda it: it.required or bool(it.required_when) or bool(it.only_when))


@each_table
def test_numbers_and_booleans_cannot_be_cleared(fields: Mapping[str, Field]) -> None:
    assert not list_names(
        fields, lambda it: it.clearable and it.type in (FieldType.INTEGER, FieldType.BOOLEAN)
    )


@each_table
def test_a_mask_is_made_of_stars(fields: Mapping[str, Field]) -> None:
    assert not list_names(
        fields, lambda it: not all(is_mask(leaf.mask) for leaf in (it, *it.fields.values()))
    )


@each_service
def test_conditions_name_fields_and_values_that_exist(service: Service) -> None:
    for field in service.fields.values():
        for condition in filter(None, (field.required_when, field.only_when)):
            for name, wanted in condition.items():
                possible = service.fields[name].enum or (True, False)
                assert set(wanted) <= set(possible), field.name
    shared = [field.meant_for for field in service.fields.values()]
    shared += [need.when for need in service.creation]
    for condition in filter(None, shared):  # of several services, of which each has some of the values
        for name, wanted in condition.items():
            rows = [each.fields[name] for each in SERVICES if name in each.fields]
            assert name in service.fields
            assert set(wanted) <= {value for row in rows for value in (row.enum or (True, False))}


@each_service
def test_what_a_creation_needs_are_fields_with_a_source_or_a_doubt(service: Service) -> None:
    for need in service.creation:
        for name in (*need.fields, *need.when_set, *need.when_unset, *(need.when or ())):
            assert name in service.fields
        assert all(name in service.fields for names in need.instead for name in names)
        assert not any(service.fields[name].read_only for name in need.fields)
        assert need.source
    always = [need for need in service.creation if not (need.when or need.when_set or need.when_unset)]
    assert always or service.creation_doubt or service.name == "managed_data_lake"
    assert bool(service.creation) or bool(service.creation_doubt)


@each_service
def test_every_field_that_the_definition_requires_is_among_the_needs(service: Service) -> None:
    needed = {name for need in service.creation for name in need.fields}
    assert {field.name for field in service.fields.values() if field.required} <= needed


@each_service
def test_a_forced_value_has_conditions_about_fields_that_exist(service: Service) -> None:
    for field in service.fields.values():
        assert field.forced_value is not None or not field.forced_when
        for condition in field.forced_when:
            for name, wanted in condition.items():
                assert set(wanted) <= set(service.fields[name].enum or (True, False)), field.name


def test_only_secrets_without_a_mark_are_answered_in_clear() -> None:
    found = {
        (service.name, field.name)
        for service in SERVICES
        for field in service.fields.values()
        if field.answered_in_clear
    }
    assert found == {
        ("snowflake", "storage_account_key"),
        ("snowflake", "gcs_service_account_credentials"),
        ("azure_sql_data_warehouse", "storage_account_key"),
    }
    assert all(load_service(service).fields[name].sensitive for service, name in found)  # type: ignore[union-attr]


def test_databricks_has_client_credentials_for_its_azure_container() -> None:
    databricks = load_service("databricks")
    assert databricks is not None
    names = ["azure_tenant_id", "azure_client_id", "azure_client_secret"]
    assert [databricks.fields[name].sensitive for name in names] == [False, False, True]


CLOUD_WORDS = {
    "AWS": re.compile(r"^s3:|^arn:aws|\.amazonaws\.|cloud\.databricks\.com"),
    "AZURE": re.compile(r"azure|^abfss?:"),
    "GCP": re.compile(r"^gs:|gcp\.databricks\.com"),
}


@each_service
def test_an_example_stays_in_its_cloud(service: Service) -> None:
    example = render_example(service)
    providers = {"ADLS": "AZURE", "GCS": "GCP"}
    [chosen] = re.findall(r"^ +(?:cloud|storage)_provider: (\w+)$", example, re.M) or [None]
    if service.name in {"adls", "onelake"}:
        chosen = "AZURE"
    values = re.findall(r'^ +#? *[a-z_0-9]+: "?([^"#{]+?)"?(?: #.*)?$', example, re.M)
    for cloud, words in CLOUD_WORDS.items():
        found = [value for value in values if words.search(value)]
        assert chosen is None or cloud == providers.get(chosen, chosen) or found == [], cloud


def test_a_kafka_service_has_its_own_registry_in_its_example() -> None:
    shown = {
        name: re.findall(r"schema_registry: (\w+)", render_example(service))
        for name in load_service_names()
        if (service := load_service(name)) and "schema_registry" in service.fields
    }
    assert shown == {
        "aiven_kafka_wh": ["AIVEN_KARAPACE"],
        "aws_msk_wh": ["AWS_GLUE"],
        "confluent_cloud_wh": ["CONFLUENT_CLOUD"],
    }


@each_service
def test_references_to_other_fields_exist(service: Service) -> None:
    for field in service.fields.values():
        assert field.reads_as is None or service.fields[field.reads_as].read_only
        spellings = {field.mirrored_as.get(member, member) for member in field.enum}
        assert field.mirrors is None or spellings <= set(load_destination_facts().fields[field.mirrors].enum)
        assert field.mirrored_as.keys() <= set(field.enum)


@each_service
def test_a_service_is_consistent(service: Service) -> None:
    assert service.title
    assert service.free_form == (not service.fields)
    assert service.external_secrets <= service.fields.keys()
    assert service.successor is None or service.successor in load_service_names()
    assert service.stage is not ServiceStage.CURRENT or service.successor is None


def test_superseded_services_name_their_successor() -> None:
    outdated = {
        each.name: (each.stage, each.successor) for each in SERVICES if each.stage is not ServiceStage.CURRENT
    }
    assert outdated == {
        "adls": (ServiceStage.LEGACY, "managed_data_lake"),
        "new_s3_datalake": (ServiceStage.LEGACY, "managed_data_lake"),
        "onelake": (ServiceStage.RETIRED, "managed_data_lake"),
        "panoply": (ServiceStage.LEGACY, None),
        "periscope_warehouse": (ServiceStage.LEGACY, None),
    }


def test_the_external_id_of_postgres_services_is_an_optional_input() -> None:
    found = [
        field
        for service in SERVICES
        if "auth_method" in service.fields
        for field in service.fields.values()
        if field.name == "external_id"
    ]
    assert len(found) == 6
    assert not any(field.read_only or field.required or field.required_when for field in found)


def test_the_closed_lists_have_their_documented_sizes() -> None:
    facts = load_destination_facts()
    assert sum(region.listed for region in facts.regions.values()) == 34
    assert sum(not region.listed for region in facts.regions.values()) == 8
    assert len(facts.time_zone_offsets) == 24
    assert facts.networking_methods == facts.fields["networking_method"].enum
    assert all(region in facts.regions for region in facts.region_aliases.values() if region)
    assert facts.fields["region"].default in facts.regions


def test_companions_are_fields_that_exist() -> None:
    facts = load_destination_facts()
    config_names = {name for service in SERVICES for name in service.fields}
    for companion in (each for companions in facts.companions.values() for each in companions):
        assert companion in facts.fields or companion.removeprefix("config.") in config_names


def test_every_part_is_used_by_more_than_one_service() -> None:
    folder = files("reconciler.catalogue")
    uses: dict[str, int] = {}
    for name in load_service_names():
        for part in tomllib.loads((folder / "services" / f"{name}.toml").read_text()).get("parts", ()):
            uses[part] = uses.get(part, 0) + 1
    parts = {each.name.removesuffix(".toml") for each in (folder / "parts").iterdir()}
    assert uses.keys() == parts
    assert min(uses.values()) > 1


def test_only_the_services_of_bigquery_need_a_service_account() -> None:
    needing = {service.name for service in SERVICES if service.needs_service_account}
    assert needing == {"big_query", "big_query_dts", "managed_big_query"}
