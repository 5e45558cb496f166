"""Test checks of single fields of a destination."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.catalogue.check import Completeness, Problem, check_destination
from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.model.diagnostic import Severity
from reconciler.model.value import Reference

SECRET = Reference("env", "X")
VISIBLE = Reference("env", "X", confidential=False)


def find_problems(service: object, top_level: dict[str, Any] | None = None, **config: Any) -> list[Problem]:
    """Check a destination that has the fields required for every service."""
    leaves = {("service",): service, ("time_zone_offset",): "0"}
    leaves |= {(name,): value for name, value in (top_level or {}).items()}
    leaves |= {("config", name): value for name, value in config.items()}
    return check_destination(leaves)


def get_only(found: list[Problem]) -> Problem:
    """Return the only finding."""
    assert len(found) == 1, found
    return found[0]


def test_a_misspelt_service_is_an_error_with_a_suggestion() -> None:
    problem = get_only(find_problems("snowflke"))
    assert (problem.code, problem.severity) == ("unknown-service", Severity.ERROR)
    assert problem.help == "did you mean `snowflake`?"


def test_r11_an_unknown_service_is_a_warning_and_its_config_passes() -> None:
    problem = get_only(find_problems("quantum_vault", qubits=8, region=None))
    assert (problem.code, problem.severity) == ("unknown-service", Severity.WARNING)


def test_a_service_by_reference_is_no_finding() -> None:
    assert find_problems(VISIBLE, anything="goes") == []


@pytest.mark.parametrize("service", [None, ""])
def test_a_destination_needs_a_service(service: object) -> None:
    assert get_only(find_problems(service)).code == "missing-field"


def test_a_service_must_be_a_text() -> None:
    assert get_only(find_problems(7)).code == "wrong-type"


def test_a_legacy_service_is_a_warning_that_names_the_successor() -> None:
    problem = next(each for each in find_problems("new_s3_datalake") if each.path == ("service",))
    assert (problem.code, problem.severity) == ("legacy-service", Severity.WARNING)
    assert "`managed_data_lake`" in problem.help


def test_a_legacy_service_without_successor_is_a_warning() -> None:
    assert get_only(find_problems("panoply")).code == "legacy-service"


def test_a_retired_service_is_reported_as_no_longer_supported() -> None:
    assert "no longer supported" in get_only(find_problems("onelake")).message


def test_a_misspelt_field_is_an_error_at_its_key() -> None:
    problem = get_only(find_problems("snowflake", host="h", databse="A"))
    assert (problem.code, problem.severity) == ("unknown-field", Severity.ERROR)
    assert problem.path == ("config", "databse")
    assert problem.on_key
    assert problem.help == "did you mean `database`?"
    assert not problem.secret


def test_a_misspelt_secret_field_hides_the_line() -> None:
    problem = get_only(find_problems("snowflake", host="h", passwrod="hunter2"))
    assert problem.secret
    assert "hunter2" not in repr(problem)


def test_an_unknown_field_is_a_warning_and_its_line_is_hidden() -> None:
    problem = get_only(find_problems("snowflake", host="h", flux_capacitance="hunter2"))
    assert (problem.code, problem.severity) == ("unknown-field", Severity.WARNING)
    assert problem.secret
    assert "extra_config" in problem.help


def test_a_misspelt_setting_of_the_destination_is_an_error() -> None:
    problem = get_only(find_problems("snowflake", {"regoin": "AWS_EU_WEST_1"}, host="h"))
    assert problem.help == "did you mean `region`?"


def test_an_unchecked_field_is_not_checked() -> None:
    path = ("config", "databse")
    leaves = {("service",): "snowflake", ("time_zone_offset",): "0", ("config", "host"): "h", path: "A"}
    assert check_destination(leaves, unchecked=frozenset({path})) == []


def test_a_partner_built_service_accepts_any_field() -> None:
    assert find_problems("motherduck", database="analytics", motherduck_token=SECRET) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", 5),
        ("host", True),
        ("host", ["a"]),
        ("port", "many"),
        ("port", ""),
        ("port", True),
        ("port", 1.5),
        ("use_customer_staging", "yes"),
        ("use_customer_staging", 1),
    ],
)
def test_a_value_of_another_type_is_an_error(field: str, value: object) -> None:
    problem = next(
        each
        for each in find_problems("snowflake", **{"host": "h", field: value})
        if each.code == "wrong-type"
    )
    assert problem.path == ("config", field)
    assert problem.help


def test_a_text_for_a_list_gets_a_suggested_list() -> None:
    problem = get_only(find_problems("aiven_kafka_wh", bootstrap_servers="kafka:9092"))
    assert problem.help == "write a list: `bootstrap_servers: [kafka:9092]`"


@pytest.mark.parametrize("value", [443, "443"])
def test_numbers_may_be_text(value: object) -> None:
    assert find_problems("snowflake", host="h", port=value) == []


@pytest.mark.parametrize("value", [True, "true", "False"])
def test_booleans_may_be_text(value: object) -> None:
    assert find_problems("snowflake", host="h", use_customer_staging=value) == []


def test_a_list_of_texts_and_references_is_a_list() -> None:
    assert find_problems("aiven_kafka_wh", bootstrap_servers=["kafka:9092", VISIBLE]) == []


def test_r2_an_unknown_choice_is_an_error_with_a_suggestion() -> None:
    problem = get_only(find_problems("postgres_warehouse", connection_type="SshTunel"))
    assert problem.code == "unknown-value"
    assert problem.help == "did you mean `SshTunnel`?"
    assert problem.notes == ("allowed values: `Directly`, `PrivateLink`, `SshTunnel`, `ProxyAgent`",)


def test_a_long_list_of_choices_is_not_printed() -> None:
    problem = get_only(find_problems("postgres_rds_warehouse", aws_region_code="eu-central-9"))
    assert problem.notes == ()
    assert problem.help.startswith("did you mean `eu-central-")


def test_r2_another_spelling_of_a_choice_is_accepted() -> None:
    assert find_problems("databricks", auth_type="personal_access_token", cloud_provider="aws") == []


@pytest.mark.parametrize("offset", ["+13", "-12", 13, "5:30", "UTC", "", 5.5, "9999999999"])
def test_r7_an_offset_out_of_range_is_an_error_with_a_suggestion(offset: object) -> None:
    found = find_problems("snowflake", {"time_zone_offset": offset}, host="h")
    problem = next(each for each in found if each.code == "bad-time-zone")
    assert problem.path == ("time_zone_offset",)


@pytest.mark.parametrize(("offset", "near"), [("+13", "+12"), (-30, "-11"), ("5:30", "+5"), ("UTC-3", "-3")])
def test_r7_the_nearest_offset_is_suggested(offset: object, near: str) -> None:
    assert f'"{near}"' in get_only(find_problems("snowflake", {"time_zone_offset": offset}, host="h")).help


@pytest.mark.parametrize("offset", ["+8", "8", 8, -8, "0", VISIBLE])
def test_r7_an_offset_in_range_is_accepted_in_any_spelling(offset: object) -> None:
    assert find_problems("snowflake", {"time_zone_offset": offset}, host="h") == []


@pytest.mark.parametrize(
    ("region", "code", "hint"),
    [
        ("AWS_EU_NORTH_1", "unlisted-region", "may work"),
        ("GCP_US_EST4", "unlisted-region", "`GCP_US_EAST4`"),
        ("AWS_US_EAST_3", "unlisted-region", "`AWS_US_EAST_2`"),
        ("GCP_US_EAST1", "unlisted-region", "`GCP_US_WEST1`"),
        ("US", "old-region-name", "`GCP_US_EAST4`"),
        ("EU", "old-region-name", "present name"),
    ],
)
def test_an_unlisted_region_is_a_warning(region: str, code: str, hint: str) -> None:
    problem = get_only(find_problems("snowflake", {"region": region}, host="h"))
    assert (problem.code, problem.severity) == (code, Severity.WARNING)
    assert hint in problem.help


@pytest.mark.parametrize(
    ("region", "hint"),
    [
        ("AWS_US_EAST1", "write `AWS_US_EAST_1`"),
        ("aws_eu_west_1", "write `AWS_EU_WEST_1`"),
        ("us-east-1", "write `AWS_US_EAST_1`"),
        ("AWS-US-EAST-1", "write `AWS_US_EAST_1`"),
        ("eastus2", "write `AZURE_EASTUS2`"),
        ("europe-west3", "write `GCP_EUROPE_WEST3`"),
        ("EU_NORTH_1", "write `AWS_EU_NORTH_1`"),
        ("us", "write `GCP_US_EAST4`"),
        ("eu", "write `EU`"),
        ("MARS", "a region is written like `AWS_EU_CENTRAL_1`"),
        ("IBM_EU_DE", "a region is written like `AWS_EU_CENTRAL_1`"),
        ("AWS", "a region is written like `AWS_EU_CENTRAL_1`"),
        ("", "a region is written like `AWS_EU_CENTRAL_1`"),
        ("  ", "a region is written like `AWS_EU_CENTRAL_1`"),
    ],
)
def test_a_region_that_is_spelt_otherwise_or_has_no_cloud_is_an_error(region: str, hint: str) -> None:
    problem = get_only(find_problems("snowflake", {"region": region}, host="h"))
    assert (problem.code, problem.severity, problem.path) == ("unknown-value", Severity.ERROR, ("region",))
    assert problem.help == hint


@pytest.mark.parametrize("region", list(load_destination_facts().regions))
def test_no_spelling_of_a_region_leads_to_another_region(region: str) -> None:
    without_cloud = region.partition("_")[2].lower().replace("_", "-")
    for spelling in (region.lower(), region.replace("_", ""), region.replace("_", "-"), without_cloud):
        assert get_only(find_problems("snowflake", {"region": spelling})).help == f"write `{region}`"


@pytest.mark.parametrize(
    ("service", "field", "region", "hint"),
    [
        ("managed_data_lake", "region", "AWS_EU_CENTRAL_1", "write `eu-central-1`"),
        ("redshift", "cluster_region", "EU_CENTRAL_1", "write `eu-central-1`"),
        (
            "postgres_gcp_warehouse",
            "aws_region_code",
            "eu central",
            "for example `aws_region_code: eu-central-1`",
        ),
        ("aws_msk_wh", "msk_sts_region", "Frankfurt", "for example `msk_sts_region: eu-central-1`"),
    ],
)
def test_a_region_of_aws_is_spelt_as_aws_spells_it(service: str, field: str, region: str, hint: str) -> None:
    problem = get_only(find_problems(service, **{field: region}))
    assert (problem.code, problem.path, problem.help) == ("unknown-value", ("config", field), hint)
    assert find_problems(service, **{field: "eu-moon-7"}) == []


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_text_clears_no_more_than_null_does(value: object) -> None:
    assert get_only(find_problems("postgres_warehouse", aws_region_code=value)).code == "not-clearable"
    assert find_problems("postgres_warehouse", host=value) == []


@pytest.mark.parametrize("region", ["AWS_EU_WEST_1", VISIBLE])
def test_a_listed_region_is_accepted(region: object) -> None:
    assert find_problems("snowflake", {"region": region}, host="h") == []


def test_a_read_only_field_cannot_be_declared() -> None:
    problem = get_only(find_problems("postgres_warehouse", public_key="ssh-rsa"))
    assert (problem.code, problem.help) == ("read-only-field", "remove it")


def test_a_name_from_responses_gets_the_declared_name_suggested() -> None:
    assert get_only(find_problems("big_query", location="EU")).help == "declare `data_set_location` instead"


@pytest.mark.parametrize("field", ["port", "connection_type", "always_encrypted"])
def test_null_for_a_field_that_cannot_be_cleared_is_an_error(field: str) -> None:
    assert get_only(find_problems("postgres_warehouse", **{field: None})).code == "not-clearable"


@pytest.mark.parametrize("field", ["host", "password", "role_arn", "fivetran_new_field_of_tomorrow"])
def test_null_for_any_other_field_is_accepted(field: str) -> None:
    found = find_problems("postgres_warehouse", **{field: None})
    assert not [each for each in found if each.code == "not-clearable"]


@pytest.mark.parametrize("value", ["hunter2", "", 12345, ["hunter2"]])
def test_a_literal_secret_is_an_error_and_hidden(value: object) -> None:
    problem = get_only(find_problems("postgres_warehouse", password=value))
    assert problem.code == "literal-secret"
    assert problem.secret
    assert 'password: {secret: "env:PASSWORD"}' in problem.help
    assert str(value) not in repr(problem) or not value


def test_a_secret_object_is_hidden() -> None:
    problem = get_only(
        find_problems("snowflake", host="h", gcs_service_account_credentials={"private_key": "hunter2"})
    )
    assert problem.code == "literal-secret"
    assert "hunter2" not in repr(problem)


def test_a_secret_by_a_visible_reference_is_an_error_that_shows_the_reference() -> None:
    problem = get_only(find_problems("postgres_warehouse", password=VISIBLE))
    assert problem.code == "visible-secret"
    assert problem.help == 'write `password: {secret: "env:X"}`'


def test_a_secret_reference_is_accepted_for_every_field() -> None:
    assert (
        find_problems("postgres_warehouse", password=SECRET, host=SECRET, port=SECRET, connection_type=SECRET)
        == []
    )


def test_r32_a_mask_is_never_written_back() -> None:
    problem = get_only(find_problems("postgres_warehouse", password="******"))
    assert problem.code == "mask-literal"
    assert "{secret:" in problem.help
    assert get_only(find_problems("postgres_warehouse", host="***")).code == "mask-literal"


def test_r35_the_same_name_is_secret_in_one_service_only() -> None:
    assert (
        get_only(find_problems("redshift", auth_type="IAM", role_arn="arn:aws:iam::1:role/r")).code
        == "literal-secret"
    )
    assert find_problems("aws_msk_wh", fivetran_msk_role_arn="arn:aws:iam::1:role/r") == []


@pytest.mark.parametrize("service", ["motherduck", "quantum_vault"])
def test_r35_an_unknown_field_is_secret_by_its_name(service: str) -> None:
    found = [
        each for each in find_problems(service, motherduck_token="hunter2") if each.code == "literal-secret"
    ]
    assert get_only(found).secret
    assert "hunter2" not in repr(found)


def test_an_unknown_field_may_be_declared_visible() -> None:
    assert find_problems("motherduck", token_style=VISIBLE) == []


@pytest.mark.parametrize("port", [0, -1, 65536, 99999999, "70000"])
def test_a_port_out_of_range_is_refused(port: object) -> None:
    found = [each for each in find_problems("redshift", port=port) if each.path == ("config", "port")]
    assert get_only(found).code == "out-of-range"
    assert get_only(found).notes == ("it is a number from 1 to 65535",)


@pytest.mark.parametrize("port", [1, 443, "65535"])
def test_a_port_within_its_bounds_is_accepted(port: object) -> None:
    assert [each for each in find_problems("redshift", port=port) if each.path == ("config", "port")] == []


def test_every_port_of_the_catalogue_has_bounds() -> None:
    services = [service for name in load_service_names() if (service := load_service(name))]
    ports = [
        field for service in services for field in service.fields.values() if "port" in field.name.split("_")
    ]
    assert len(ports) > 20
    assert {(field.minimum, field.maximum) for field in ports} == {(1, 65535)}


@pytest.mark.parametrize(
    ("name", "value", "codes"),
    [
        ("password", "hunter2", ["literal-secret"]),
        ("api_token", "hunter2", ["literal-secret"]),
        ("databse", "x", ["unknown-field"]),
        ("something_else_entirely", "x", []),
        ("port", "x", ["wrong-type"]),
        ("host", "h", []),
    ],
)
def test_a_config_without_a_service_is_checked_against_all_services(
    name: str, value: str, codes: list[str]
) -> None:
    found = check_destination({("config", name): value}, completeness=Completeness.PART)
    assert [each.code for each in found] == codes


@pytest.mark.parametrize("value", [{}, []])
@pytest.mark.parametrize("path", [("region",), ("networking_method",), ("config", "auth")])
def test_an_empty_collection_is_no_member_of_a_choice(path: tuple[str, ...], value: object) -> None:
    leaves = {("service",): "snowflake", ("time_zone_offset",): "0", path: value}
    problem = get_only(check_destination(leaves))
    assert (problem.code, problem.path) == ("wrong-type", path)
