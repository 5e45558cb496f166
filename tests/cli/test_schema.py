"""`reconciler schema`: JSON schemas for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_harness import ROOT, Project
from jsonschema import Draft202012Validator

from reconciler.catalogue.example import render_example
from reconciler.catalogue.load import load_service, load_service_names
from reconciler.operations.schema import build_schema
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

pytestmark = pytest.mark.sampled(every=6, tests=3)

SPEC = Draft202012Validator(build_schema("spec"))
PROJECT = Draft202012Validator(build_schema("project"))


def parse_spec(text: str) -> Any:
    return to_plain(parse(text, "spec.yaml"))


def build_entry(destination: str) -> Any:
    return parse_spec(f"version: 1\ngroups:\n  one:\n    destination: {destination}\n")


@pytest.mark.parametrize("kind", ["spec", "project"])
def test_schemas_are_valid_json_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(build_schema(kind))


DEMO = sorted((ROOT / "specs").rglob("*.yaml"))
EXAMPLES = sorted(
    file for specs in (ROOT / "examples").rglob("specs") for file in specs.rglob("*.yaml") if specs.is_dir()
)


@pytest.mark.parametrize("file", [*DEMO, *EXAMPLES], ids=lambda file: str(file.relative_to(ROOT)))
def test_the_demo_account_and_the_examples_match_the_schema(file: Path) -> None:
    data = parse_spec(file.read_text())
    (PROJECT if "specs" in data else SPEC).validate(data)


@pytest.mark.parametrize(("port", "fits"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_numbers_have_bounds_in_the_schema(port: int, fits: bool) -> None:
    assert SPEC.is_valid(build_entry("{service: snowflake, config: {port: " + str(port) + "}}")) is fits


@pytest.mark.parametrize("name", load_service_names())
def test_the_example_of_every_service_matches_the_schema(name: str) -> None:
    service = load_service(name)
    assert service is not None
    SPEC.validate(parse_spec(render_example(service)))


SNOWFLAKE = "service: snowflake, config: "


@pytest.mark.parametrize(
    "destination",
    [
        "{service: snowflake}",
        "{profile: any, config: {whatever: inherited}}",
        "{service: clickhouse, config: {host: h, port: 1}}",
        '{service: {value: "env:SERVICE"}, config: {whatever: 1}}',
        "{" + SNOWFLAKE + "{port: 443}}",
        "{" + SNOWFLAKE + '{port: "443"}}',
        "{" + SNOWFLAKE + "{auth: key_pair}}",
        "{" + SNOWFLAKE + "{auth: KeyPair}}",
        "{" + SNOWFLAKE + "{role: null}}",
        "{" + SNOWFLAKE + "{role: {unset: true}}}",
        "{" + SNOWFLAKE + '{role: {value: "env:ROLE"}}}',
        "{" + SNOWFLAKE + '{password: {secret: "vault:kv/data/x#password"}}}',
        "{" + SNOWFLAKE + "{unset: true}}",
        "{service: snowflake, extra_config: {brand_new: 1}}",
        "{" + SNOWFLAKE + '{is_private_key_encrypted: "True"}}',
        "{time_zone_offset: +1}",
        '{time_zone_offset: "-11"}',
        "{region: AWS_EU_CENTRAL_1}",
        "{region: EU}",
        "{networking_method: SSH_TUNNEL}",
        "{trust: {certificates: {unset: true}}}",
        "{setup_tests: {unset: true}}",
        "{lifecycle: {allow_replace: true, with_platform_connection: true}}",
        "{"
        + SNOWFLAKE
        + '{port: "${PORT}", auth: "${A}", host: "h.${B}", is_private_key_encrypted: "${C}"}}',
        '{region: "AWS_${R}", time_zone_offset: "${Z}", networking_method: "${N}", private_link_id: "${L}"}',
        '{profile: "warehouse_${STAGE}"}',
        '{service: postgres_warehouse, config: {aws_region_code: "$${X}${R}"}}',
    ],
)
def test_specs_accepted_by_validate_match_the_schema(destination: str) -> None:
    SPEC.validate(build_entry(destination))


@pytest.mark.parametrize(
    "destination",
    [
        "{service: snowflaek}",
        "{servise: snowflake}",
        "{" + SNOWFLAKE + "{databse: X}}",
        "{" + SNOWFLAKE + "{port: many}}",
        "{" + SNOWFLAKE + "{auth: KERBEROS}}",
        "{" + SNOWFLAKE + "{auth: null}}",
        "{" + SNOWFLAKE + "{password: hunter2}}",
        "{" + SNOWFLAKE + '{password: {value: "env:PASSWORD"}}}',
        "{" + SNOWFLAKE + "{password: {secret: PASSWORD}}}",
        "{" + SNOWFLAKE + '{password: {secret: "env:P", part: x}}}',
        "{" + SNOWFLAKE + "{role: {unset: false}}}",
        "{service: big_query, config: {location: EU}}",
        "{time_zone_offset: 13}",
        '{time_zone_offset: "-12"}',
        '{time_zone_offset: "+1:30"}',
        "{region: AWS_EU_CENTARL_1}",
        "{region: aws_eu_central_1}",
        '{region: ""}',
        "{service: managed_data_lake, config: {region: AWS_EU_CENTRAL_1}}",
        '{service: postgres_warehouse, config: {aws_region_code: ""}}',
        "{networking_method: Carrier}",
        "{setup_tests: {on_failure: explode}}",
        '{setup_tests: {run: "yes"}}',
        '{lifecycle: {with_platform_connection: "yes"}}',
        '{service: "${S}"}',
        '{setup_tests: {run: "${R}"}}',
        "{" + SNOWFLAKE + '{password: "${P}"}}',
        "{" + SNOWFLAKE + '{password: {secret: "${P}"}}}',
        "{" + SNOWFLAKE + '{port: "$${P}"}}',
        "{" + SNOWFLAKE + '{port: "${P:-1}"}}',
        "[]",
    ],
)
def test_a_wrong_destination_does_not_match_the_schema(destination: str) -> None:
    assert not SPEC.is_valid(build_entry(destination))


def test_removals_match_the_schema() -> None:
    more = ("", ', name: " two  blanks"', ", name: x, only: destination", ", forget: true")
    entries = "".join(f"  - {{group: one, id: x{each}}}\n" for each in more)
    SPEC.validate(parse_spec(f"version: 1\nremoved:\n{entries}"))


@pytest.mark.parametrize(
    "text",
    [
        "groups: {}\n",
        "version: 2\n",
        "version: 1\ngroups:\n  Wrong-Key: {}\n",
        "version: 1\ngroups:\n  one: {nam: x}\n",
        "version: 1\ngroups:\n  one: {name: 7}\n",
        "version: 1\nremoved:\n  - {group: one, id: x, name: 7}\n",
        "version: 1\nremoved:\n  - {group: one, id: x, nmae: y}\n",
        "version: 1\nprofiles:\n  one: {profile: two}\n",
        "version: 1\nprofiles:\n  one: {service: snowflake, config: {databse: x}}\n",
    ],
)
def test_a_wrong_structure_does_not_match_the_schema(text: str) -> None:
    assert not SPEC.is_valid(parse_spec(text))


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\n",
        "version: 1\nspecs: []\n",
        "version: 1\nspecs: [a.yaml]\ndefaults: {destination: {regoin: x}}\n",
    ],
)
def test_a_wrong_project_file_does_not_match_the_schema(text: str) -> None:
    assert not PROJECT.is_valid(parse_spec(text))


def list_services() -> list[dict[str, Any]]:
    """List the names that the schema proposes for a service, with their descriptions."""
    service = build_schema("spec")["$defs"]["destination"]["properties"]["service"]
    return [each for each in service["anyOf"] if "const" in each]


def test_deprecated_services_and_fields_are_marked() -> None:
    definitions = build_schema("spec")["$defs"]
    marked = {each["const"]: each for each in list_services() if each.get("deprecated")}
    assert marked["adls"]["description"].endswith(" (legacy; use managed_data_lake)")
    assert "snowflake" not in marked
    old = definitions["destination"]["properties"]["local_processing_agent_id"]
    assert old["deprecated"] is True
    assert " Deprecated: call it hybrid_deployment_agent_id." in old["description"]


def test_fields_have_descriptions_for_editors() -> None:
    definitions = build_schema("spec")["$defs"]
    assert definitions["config_of_snowflake"]["properties"]["host"]["description"].startswith(
        "Host of the account."
    )
    services = list_services()
    assert [each["const"] for each in services] == list(load_service_names())
    assert all(each["description"] for each in services)


def test_schema_without_options_prints_the_schema_of_spec_files(project: Project) -> None:
    assert json.loads(project.run("schema").stdout) == build_schema("spec")
    assert json.loads(project.run("schema", "project").stdout) == build_schema("project")
