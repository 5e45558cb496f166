"""`reconciler catalogue`: services, their fields, and a spec to start from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_harness import ROOT, EmulatedFivetran, Project
from command_line import TerminalProcess, run

from reconciler.catalogue.load import load_service, load_service_names

pytestmark = pytest.mark.sampled(every=4)

ACCOUNT = """\
version: 1
account: {id: fjord_zephyr, name: Acme}
groups:
  - id: decent_dropsy
    name: The group of the marketing team in Europe
    destination: {service: managed_data_lake, region: GCP_EUROPE_WEST3, time_zone_offset: "0", setup_status: connected}
    connections:
      - {id: con_one, service: google_ads, schema: google_ads_of_the_north}
      - {id: con_two, service: google_ads, schema: google_ads_of_the_south}
"""


def test_list_names_every_service_and_successors_of_deprecated_services(project: Project) -> None:
    lines = project.run("catalogue", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(load_service_names())
    assert re.search(
        r"^adls +Azure Data Lake Storage +legacy; use managed_data_lake$", "\n".join(lines), re.M
    )
    starts = {
        line.index(title) for line in lines for title in ("Snowflake", "Amazon Redshift") if title in line
    }
    assert len(starts) == 1


def test_list_as_json_has_title_stage_and_successor(project: Project) -> None:
    document = project.run("catalogue", "list", "--format", "json").document
    assert len(document["services"]) == 42
    adls = document["services"][0]
    assert (adls["name"], adls["stage"], adls["successor"]) == ("adls", "legacy", "managed_data_lake")
    assert document["exit"] == {"code": 0, "reason": "ok"}


def test_show_describes_each_field(project: Project) -> None:
    page = project.run("catalogue", "show", "managed_data_lake").stdout
    assert "  bucket  (text, immutable)\n" in page
    assert "Required while `storage_provider` is AWS or GCS." in page
    assert "  secret_value  (text, sensitive, risk: credentials)\n" in page
    assert "  external_id  (text, read-only)\n" in page
    assert "Default: 443." in page
    fields = re.findall(r"^  (\w+)  \(", page, re.M)
    service = load_service("managed_data_lake")
    assert service is not None
    assert fields == list(service.fields)


def test_show_wraps_long_lists_of_values(project: Project) -> None:
    page = project.run("catalogue", "show", "aurora_postgres_warehouse").stdout
    assert "me-south-1" in page
    assert max(map(len, page.splitlines())) <= 100


def test_show_as_json_has_every_field_in_order(project: Project) -> None:
    document = project.run("catalogue", "show", "snowflake", "--format", "json").document
    fields = {field["name"]: field for field in document["service"]["fields"]}
    assert next(iter(fields)) == "host"
    assert fields["host"]["required"] is True
    assert fields["private_key"]["required_when"] == {"auth": ["KEY_PAIR"]}
    assert fields["private_key"]["sensitive"] is True


def test_show_reports_a_free_form_service_without_fields(project: Project) -> None:
    assert "takes any fields" in project.run("catalogue", "show", "clickhouse").stdout


@pytest.mark.parametrize(
    "arguments", [["show", "snowflaek"], ["show", "snowflaek", "--example"], ["show", "Snow-flake"]]
)
def test_a_misspelled_service_gets_a_suggestion(project: Project, arguments: list[str]) -> None:
    result = project.run("catalogue", *arguments)
    assert result.exit == 64
    assert result.stdout == ""
    assert "did you mean `snowflake`?" in result.stderr


def test_an_unknown_service_without_suggestion_refers_to_the_list(project: Project) -> None:
    result = project.run("catalogue", "show", "zzz")
    assert result.exit == 64
    assert "`reconciler catalogue list` shows all services" in result.stderr


def test_example_refuses_the_json_format(project: Project) -> None:
    result = project.run("catalogue", "show", "snowflake", "--example", "--format", "json")
    assert result.exit == 64


def test_an_example_explains_fields_and_marks_immutable_fields(project: Project) -> None:
    text = project.run("catalogue", "show", "new_s3_datalake", "--example").stdout
    assert "# A first spec for Amazon S3 Data Lake" in text
    assert "take `managed_data_lake` for new destinations" in " ".join(text.replace("# ", "").split())
    assert re.search(r"# .*Immutable: it cannot be changed later\.\n +bucket: acme-lake\n", text)


def test_an_example_has_fields_required_by_its_values(project: Project) -> None:
    text = project.run("catalogue", "show", "snowflake", "--example").stdout
    assert re.search(r'^        private_key: \{secret: "env:SNOWFLAKE_PRIVATE_KEY"\}$', text, re.M)
    assert re.search(r"^        # password: ", text, re.M)
    assert not re.search(r"^        password: ", text, re.M)


def write_all_examples(project: Project) -> dict[str, str]:
    """Write all 42 examples as files of one project; return the environment that they refer to."""
    for name in load_service_names():
        project.write(f"specs/groups/{name}.yaml", project.run("catalogue", "show", name, "--example").stdout)
    texts = (file.read_text() for file in (project.folder / "specs/groups").iterdir())
    names = {name for text in texts for name in re.findall(r'"env:(\w+)"', text)}
    return {name: f"value-of-{name}" for name in names}


def test_every_example_is_valid_without_edits(project: Project) -> None:
    write_all_examples(project)
    result = project.run("validate", "--format", "json")
    assert result.exit == 0, result.stdout
    assert (result.document["groups"], result.document["destinations"]) == (42, 42)
    assert {each["code"] for each in result.document["diagnostics"]} == {"legacy-service"}


def test_every_example_applies_and_then_plans_no_changes(project: Project, server: EmulatedFivetran) -> None:
    environ = write_all_examples(project)
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    applied = project.run_against(server, "apply", "--auto-approve", environ=environ)
    assert applied.exit == 0, applied.stdout + applied.stderr
    assert len(server.list_ids("destinations")) == 42
    assert project.run_against(server, "plan", "--detailed-exitcode", environ=environ).exit == 0


@pytest.mark.sampled(every=9)
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize(
    "words",
    [
        ["catalogue", "list"],
        ["catalogue", "show", "databricks"],
        ["emulate", "--seed", "account.yaml", "--list"],
        ["emulate", "--switches"],
        ["emulate", "--faults"],
    ],
)
def test_no_line_of_a_listing_is_wider_than_the_terminal(
    tmp_path: Path, words: list[str], columns: int
) -> None:
    (tmp_path / "account.yaml").write_text(ACCOUNT)
    with TerminalProcess(*words, directory=tmp_path, columns=columns, PYTHONPATH=str(ROOT)) as terminal:
        assert terminal.wait_for_exit() == 0
    longest_word = max(map(len, terminal.text.split()))
    assert max(map(len, terminal.text.splitlines())) <= max(columns, longest_word + 6)
    if columns >= 80:
        assert max(map(len, terminal.text.splitlines())) <= columns
    whole = run(*words, directory=tmp_path, PYTHONPATH=str(ROOT)).out
    assert sorted(re.findall(r"[\w-]+", terminal.text)) == sorted(re.findall(r"[\w-]+", whole))


def test_a_pipe_gets_a_service_on_a_line(project: Project) -> None:
    lines = project.run("catalogue", "list").stdout.splitlines()
    assert len(lines) == len(list(load_service_names()))
